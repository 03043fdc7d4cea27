/** The CUDA backend: the door's plugin. */
@org.jspecify.annotations.NullMarked
package io.heddle.binding.cuda;
