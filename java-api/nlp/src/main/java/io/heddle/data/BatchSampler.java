package io.heddle.data;

import java.util.List;

/** Which samples go into a batch together. A pure function of the epoch. */
public interface BatchSampler {
  /** Number of batches of an epoch. */
  int size();

  /** The batches of an epoch: indices of samples. */
  List<int[]> epoch(long number);
}
