/**
 * Metrics. Those of texts ({@link io.heddle.metrics.Bleu}, {@link io.heddle.metrics.ChrF}, {@link
 * io.heddle.metrics.Ter}, {@link io.heddle.metrics.Rouge}, {@link io.heddle.metrics.Squad}) are
 * functions of counts that add up over segments ({@link io.heddle.metrics.TextMetric}): a {@link
 * io.heddle.metrics.Tally} adds and merges them, {@link io.heddle.metrics.Bootstrap} draws them
 * again. The others ({@link io.heddle.metrics.Confusion}, {@link io.heddle.metrics.Correlation},
 * {@link io.heddle.metrics.Ranking}, {@link io.heddle.metrics.Calibration}, {@link
 * io.heddle.metrics.SquadV2}, {@link io.heddle.metrics.PassAtK}) accumulate for themselves; all of
 * them merge, so that shards may be scored apart.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.metrics;
