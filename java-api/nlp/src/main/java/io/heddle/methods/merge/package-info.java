/**
 * Model merging as a method: DEM, the Distribution Edited Model (Ram, Rawal, Hardalov, Pappas &amp;
 * Zha, EMNLP 2024, arXiv 2406.15570). One model is fine-tuned per data source from a common base;
 * the merged model is base + sum_i w_i (model_i - base), with the weights chosen on validation text
 * without any training. Where the paper leaves the search open, it is a shared weight first and
 * then coordinate steps.
 *
 * <pre>heddle quickstart</pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.merge;
