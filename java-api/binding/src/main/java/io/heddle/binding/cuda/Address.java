package io.heddle.binding.cuda;

import org.bytedeco.javacpp.Pointer;

/** A pointer whose address can be set, so that a call makes no object. */
final class Address extends Pointer {
  Address at(long value) {
    address = value;
    return this;
  }
}
