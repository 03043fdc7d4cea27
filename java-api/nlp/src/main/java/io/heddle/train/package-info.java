/** The training loop and what listens to it. */
@org.jspecify.annotations.NullMarked
package io.heddle.train;
