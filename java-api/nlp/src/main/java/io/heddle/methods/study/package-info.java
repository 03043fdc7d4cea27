/**
 * What all reproductions of papers have in common: models that are trained one by one into folders
 * of their own and go on where they were ({@link io.heddle.methods.study.ModelRun}), measurements
 * that are made once ({@link io.heddle.methods.study.EvaluationLog}), claims that are held against
 * what was found ({@link io.heddle.methods.study.Claim}) and the tables of the results ({@link
 * io.heddle.methods.study.Table}). The methods that are reproduced stand beside it, and know it.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.study;
