/** Tests of reading, writing and merging checkpoints. */
package io.heddle.checkpoint;
