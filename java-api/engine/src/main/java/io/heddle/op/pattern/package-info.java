/**
 * Attention patterns: a predicate "may query q of head h see key k" as data, compiled to the block
 * lists that the kernels walk ({@link io.heddle.op.pattern.BlockLayout}).
 */
@org.jspecify.annotations.NullMarked
package io.heddle.op.pattern;
