/**
 * The oracle: every op from its formula, in plain Java with double accumulation. Slow on purpose,
 * right by inspection.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.backend.reference;
