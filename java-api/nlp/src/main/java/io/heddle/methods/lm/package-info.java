/**
 * Language modelling: next-token training of a {@link io.heddle.models.Decoder} on packed text, and
 * its measures. Loss is the mean cross-entropy in nats per token; perplexity its exponential; bits
 * per byte counts every byte of the text, so that models with different tokenizers compare.
 *
 * <pre>heddle train lm --data FOLDER --schedule 'window:128,full@3' --seq 1024 --out RUN</pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.lm;
