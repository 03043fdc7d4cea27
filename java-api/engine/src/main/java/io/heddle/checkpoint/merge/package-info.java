/**
 * Merging of checkpoints: {@link io.heddle.checkpoint.merge.Merge} says what, {@link
 * io.heddle.checkpoint.merge.Method} how, {@link io.heddle.checkpoint.merge.MergePlan} what that
 * means for each tensor; all out of core, in double precision, rounded once.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.checkpoint.merge;
