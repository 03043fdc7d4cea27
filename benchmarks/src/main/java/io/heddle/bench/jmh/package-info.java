/** The contests as JMH benchmarks, for its profilers and statistics: {@code heddle jmh}. */
@NullMarked
package io.heddle.bench.jmh;

import org.jspecify.annotations.NullMarked;
