package io.heddle.backend.reference;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.BackendProvider;
import io.heddle.backend.Probe;

/** Provides {@link ReferenceBackend}; always available. */
public final class ReferenceProvider implements BackendProvider {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public Probe probe() {
    return new Probe(true, "available (pure Java, slow: the oracle of the tests)");
  }

  @Override
  public Backend open(BackendOptions options) {
    return new ReferenceBackend();
  }
}
