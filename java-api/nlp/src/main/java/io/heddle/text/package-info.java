/**
 * Tokenizers: byte-level BPE in the form of GPT-2 and Hugging Face ({@link
 * io.heddle.text.ByteLevelBpe}), llama2.c's scored BPE ({@link io.heddle.text.ScoredBpe}), BERT's
 * WordPiece ({@link io.heddle.text.WordPiece}), SentencePiece models ({@link
 * io.heddle.text.SentencePiece}) and subword-nmt's BPE ({@link io.heddle.text.SubwordBpe}); {@link
 * io.heddle.text.Tokenizers} knows each by its files. {@link io.heddle.text.BpeTrainer} and {@link
 * io.heddle.text.WordPieceTrainer} learn vocabularies. Words of plain text are cut by {@link
 * io.heddle.text.MosesTokenizer}; {@link io.heddle.text.Normalization} rewrites texts before.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.text;
