/**
 * The door in Java: one {@link io.heddle.binding.Transport} calls the C ABI, {@link
 * io.heddle.binding.Door} checks it and turns failures into exceptions.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.binding;
