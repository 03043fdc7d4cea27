/**
 * Contests: the same work done by Heddle and by its peers in one process, checked first, then timed
 * in turns beside the ceiling of the machine. The verb {@code heddle bench} and the JMH classes run
 * them.
 */
@NullMarked
package io.heddle.bench;

import org.jspecify.annotations.NullMarked;
