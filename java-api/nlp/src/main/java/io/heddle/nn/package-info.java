/**
 * Building blocks of models: named parameters, stacks of transformer blocks, attention with
 * relative positions, low-rank adapters.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.nn;
