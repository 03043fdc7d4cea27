/**
 * The command {@code heddle}: {@link io.heddle.cli.Main} and one class per verb. A verb prints its
 * result on standard output and nothing else; progress and errors go to standard error.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.cli;
