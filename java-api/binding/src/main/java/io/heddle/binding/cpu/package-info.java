/** The CPU backend: the door's kernels, and matrix products through oneDNN. */
@org.jspecify.annotations.NullMarked
package io.heddle.binding.cpu;
