/**
 * Training: one loop ({@link io.heddle.train.Trainer}) for every method, with exact resume. A
 * method brings a configuration, an objective and at most a view of the data.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.train;
