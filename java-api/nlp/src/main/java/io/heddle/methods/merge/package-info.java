/** Model merging as a method: fine-tune one model per data source, then add weighted differences (DEM, arXiv 2406.15570). */
@org.jspecify.annotations.NullMarked
package io.heddle.methods.merge;
