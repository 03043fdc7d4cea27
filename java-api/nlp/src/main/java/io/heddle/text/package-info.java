/**
 * Tokenizers: byte-level BPE in the form of GPT-2 and Hugging Face ({@link
 * io.heddle.text.ByteLevelBpe}), its training ({@link io.heddle.text.BpeTrainer}), and llama2.c's
 * scored BPE ({@link io.heddle.text.ScoredBpe}).
 */
@org.jspecify.annotations.NullMarked
package io.heddle.text;
