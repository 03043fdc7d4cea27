/**
 * Reports: one HTML page that needs nothing but a browser. {@link io.heddle.report.Report} builds
 * it, {@link io.heddle.report.Chart} and {@link io.heddle.report.LayoutPicture} draw on it.
 */
@org.jspecify.annotations.NullMarked
package io.heddle.report;
