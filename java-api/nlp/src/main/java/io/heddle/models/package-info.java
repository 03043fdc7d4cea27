/**
 * Model families over the engine's layers: one configurable decoder that takes the shapes of GPT-2,
 * GPT-Neo and Llama, with an attention schedule per layer and head.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.models;
