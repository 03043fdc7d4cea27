/**
 * Long-range attention as a method: MASFormer (Zhang, Ram, Hawkins, Zha &amp; Zhao, Findings of
 * EMNLP 2023, arXiv 2310.12442). A decoder keeps full attention in a few layers, best the bottom
 * ones, and attends within blocks or windows in the rest; a pretrained model is converted without a
 * change of its weights ({@link io.heddle.models.Conversion}) and trained on at the longer length.
 * {@link MasformerReproduction} is the comparison at small scale: recall over a distance that no
 * sparse layer spans, for every number and place of full layers, from scratch and by conversion.
 * {@link LayerMeter} holds what each layer takes against what {@link CostModel} predicts. The
 * paper's tables could not be looked up; the reproduction shows the mechanism, not its ROUGE
 * figures.
 *
 * <pre>
 * heddle reproduce masformer --out DIR
 * heddle plan longrange --full 4 --window 512 --measure 3
 * </pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.longrange;
