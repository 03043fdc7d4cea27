package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.tensor.Scope;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Runs around every test of this module (found by JUnit's service loading): tensor memory that a
 * test leaves open fails it.
 */
public final class NothingLeaks implements BeforeEachCallback, AfterEachCallback {
  private static final ExtensionContext.Namespace NAMESPACE =
      ExtensionContext.Namespace.create(NothingLeaks.class);

  @Override
  public void beforeEach(ExtensionContext context) {
    context.getStore(NAMESPACE).put("before", Scope.openBytes());
  }

  @Override
  public void afterEach(ExtensionContext context) {
    long before = context.getStore(NAMESPACE).get("before", Long.class);
    assertEquals(before, Scope.openBytes(), "bytes of tensors left open by this test");
  }
}
