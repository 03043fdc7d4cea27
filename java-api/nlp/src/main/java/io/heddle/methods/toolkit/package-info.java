/**
 * What the GluonNLP tutorial teaches (Lin et al., EMNLP-IJCNLP 2019), as small experiments on
 * synthetic data: {@link ToolkitReproduction} runs them, each with claims that are held against
 * what was found. They are the toolkit's own parts at work, called as a program would call them;
 * what is exact (texts enumerated, odds computed) is computed here a second time, from the
 * definition alone.
 *
 * <pre>
 * heddle reproduce toolkit --out DIR
 * </pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.toolkit;
