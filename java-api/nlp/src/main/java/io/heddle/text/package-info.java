/**
 * Tokenizers: byte-level BPE in the form of GPT-2 and Hugging Face ({@link
 * io.heddle.text.ByteLevelBpe}), its training ({@link io.heddle.text.BpeTrainer}), llama2.c's
 * scored BPE ({@link io.heddle.text.ScoredBpe}), BERT's WordPiece ({@link
 * io.heddle.text.WordPiece}), and SentencePiece models ({@link io.heddle.text.SentencePiece}).
 */
@org.jspecify.annotations.NullMarked
package io.heddle.text;
