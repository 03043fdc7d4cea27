/**
 * Model families over the layers of {@code io.heddle.nn}: decoders, encoders and encoder-decoders.
 * A family is what its {@code config.json} means and a table of tensor names; all share one stack
 * of blocks, with an attention schedule per layer and head.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.models;
