/**
 * Word vectors as data: tables of words and numbers ({@link io.heddle.data.vectors.WordTable}),
 * models that make a vector of any word from its n-grams ({@link
 * io.heddle.data.vectors.FastTextModel}, {@link io.heddle.data.vectors.Subwords}; Bojanowski et al.
 * 2017), and the files of word2vec, GloVe and fastText ({@link io.heddle.data.vectors.VectorFile}).
 * How vectors are trained and judged is in {@code io.heddle.methods.vectors}.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.data.vectors;
