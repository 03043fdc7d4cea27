/** The transport over the JDK's foreign function API: {@code -Dheddle.transport=ffm}. */
@org.jspecify.annotations.NullMarked
package io.heddle.binding.ffm;
