/**
 * The JavaCPP transport, the default: {@code HeddleLibrary} is generated from {@code heddle.h} by
 * the build.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.binding.javacpp;
