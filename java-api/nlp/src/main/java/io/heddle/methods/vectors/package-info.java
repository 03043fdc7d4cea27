/**
 * Training and judging of word vectors: skip-gram and CBOW with negative sampling (Mikolov et al.,
 * "Distributed representations of words and phrases and their compositionality", NIPS 2013), with
 * n-grams (Bojanowski et al., "Enriching word vectors with subword information", TACL 2017), by
 * {@link io.heddle.methods.vectors.VectorTrainer}; GloVe (Pennington, Socher &amp; Manning, EMNLP
 * 2014) by {@link io.heddle.methods.vectors.GloveTrainer}; nearest neighbours, similarity sets and
 * analogies by {@link io.heddle.methods.vectors.Neighbours}, {@link
 * io.heddle.methods.vectors.WordSimilarity} and {@link io.heddle.methods.vectors.Analogies}.
 *
 * <p>Deviations: a token is kept with probability sqrt(t / f), as in the paper, not word2vec's
 * sqrt(t / f) + t / f; negatives that are the centre or a context word are left out, not drawn
 * again; in skip-gram a centre's targets share one reading of its rows, whose gradient is added
 * once, after all of them; the sigmoid is exact. Plain gradient steps with a rate that falls to 0,
 * as the originals take them, not GluonNLP's AdaGrad. Command: {@code heddle vectors train}.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.vectors;
