/**
 * Tensors: views of host or device memory, owned by scopes. A {@link io.heddle.tensor.Scope} owns
 * every byte; a {@link io.heddle.tensor.Tensor} is dtype, shape and strides over a {@link
 * io.heddle.tensor.Storage}, which throws when touched after close and stays alive while a kernel
 * uses it.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.tensor;
