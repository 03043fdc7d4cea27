/**
 * Tokenizers: byte-level BPE in the form of GPT-2 ({@link io.heddle.text.ByteLevelBpe}), llama2.c's
 * scored BPE ({@link io.heddle.text.ScoredBpe}), BERT's WordPiece ({@link
 * io.heddle.text.WordPiece}), SentencePiece models ({@link io.heddle.text.SentencePiece}),
 * subword-nmt's BPE ({@link io.heddle.text.SubwordBpe}) and Hugging Face's {@code tokenizer.json}
 * ({@link io.heddle.text.TokenizerJson}); {@link io.heddle.text.Tokenizers} knows each by its
 * files. {@link io.heddle.text.BpeTrainer}, {@link io.heddle.text.WordPieceTrainer} and {@link
 * io.heddle.text.UnigramTrainer} learn vocabularies. Words of plain text are cut by {@link
 * io.heddle.text.MosesTokenizer} and {@link io.heddle.text.PennWords}; {@link
 * io.heddle.text.Normalization} rewrites texts before.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.text;
