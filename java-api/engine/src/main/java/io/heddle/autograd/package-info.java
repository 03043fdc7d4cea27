/**
 * Reverse-mode differentiation: an eager tape of coarse nodes, each with a hand-written backward.
 * Parameters accumulate gradients ({@code +=}), activations get theirs once.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.autograd;
