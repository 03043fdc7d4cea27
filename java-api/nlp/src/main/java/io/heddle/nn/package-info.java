/** Building blocks of models: named parameters. */
@org.jspecify.annotations.NullMarked
package io.heddle.nn;
