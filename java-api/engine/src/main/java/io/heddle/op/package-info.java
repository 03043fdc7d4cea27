/**
 * The op table ({@link io.heddle.op.OpCode}, {@link io.heddle.op.Params}, generated from {@code
 * ops.def}), and the differentiable ops built on it: each with its shape rule and its gradient.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.op;
