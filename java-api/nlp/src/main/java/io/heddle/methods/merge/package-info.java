/**
 * Model merging as a method: DEM, the Distribution Edited Model (Ram, Rawal, Hardalov, Pappas &amp;
 * Zha, EMNLP 2024, arXiv 2406.15570). One model is fine-tuned per data source from a common base;
 * the merged model is base + sum_i w_i (model_i - base), with the weights chosen on validation text
 * without any training. Where the paper leaves the search open, it is a shared weight first and
 * then coordinate steps. {@link EditedModel} is such a model, {@link DemReproduction} the paper's
 * comparison at small scale: sources of text or Markov chains ({@link StudyData}), the models that
 * one seed trains ({@code Stages}, {@link io.heddle.methods.study.ModelRun}), what is measured of
 * them ({@code SeedStudy}) and which claims held ({@code Claims}).
 *
 * <pre>
 * heddle quickstart
 * heddle reproduce dem --out DIR
 * </pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.merge;
