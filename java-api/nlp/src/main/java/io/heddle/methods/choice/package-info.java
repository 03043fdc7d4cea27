/**
 * Multiple choice by log-likelihood: a question is the text before each of its options, and a model
 * answers with the option that it finds most likely to follow (Brown et al. 2020, section 2.4).
 * Accuracy takes the sum of the log probabilities of an option's tokens; normalised accuracy
 * divides it by the characters of the option, as the lm-evaluation-harness of EleutherAI does, so
 * that short options have no advantage.
 *
 * <p>An encoder answers by its head for multiple choice or, with one for hidden tokens, by the
 * pseudo-log-likelihood of an option (Salazar et al. 2020).
 *
 * <pre>heddle evaluate --task choice --model FOLDER --data mmlu --shots 5</pre>
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.choice;
