/**
 * Pretraining of encoders and encoder-decoders. Each objective takes batches made by {@link
 * io.heddle.data} and gives the mean loss of what a model was asked:
 *
 * <ul>
 *   <li>{@link io.heddle.methods.pretrain.MaskedLanguage}: name the tokens that were hidden (BERT,
 *       Devlin et al. 2019), whole words or single tokens;
 *   <li>{@link io.heddle.methods.pretrain.SpanDenoising}: write what sentinels stand for (T5,
 *       Raffel et al. 2020);
 *   <li>{@link io.heddle.methods.pretrain.ReplacedTokens}: tell which tokens a small generator has
 *       replaced (ELECTRA, Clark et al. 2020); {@link io.heddle.methods.pretrain.JointReplacement}
 *       trains both together.
 * </ul>
 *
 * <pre>heddle train mlm --model FOLDER --fresh --data TEXT --out RUN</pre>
 *
 * Next-token prediction is {@link io.heddle.methods.lm}.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.pretrain;
