package io.heddle.tests;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.condition.EnabledIf;

/** A test of the native part: skipped, with that reason, in a build without it. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@EnabledIf(
    value = "io.heddle.tests.BackendsUnderTest#haveNative",
    disabledReason = "built without the native part (-Pquick)")
@interface NeedsNative {}
