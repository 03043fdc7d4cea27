package io.heddle.checkpoint.merge;

/**
 * A run of elements of one tensor in double precision: a row for the base, one per source, one for
 * the result. Belongs to one worker and is filled anew for each run.
 */
final class Block {
  /** Which worker it belongs to; picks that worker's counters. */
  final int worker;

  /** Elements of the base; empty where there is no base. */
  final double[] base;

  /** Elements of each source. */
  final double[][] source;

  /** The result. */
  final double[] out;

  /** Scratch of the methods. */
  final double[] spare;

  /** Scratch of the methods. */
  final double[] sum;

  /** The number of the run in its tensor: runs are of one length, whatever the chunks. */
  int index;

  /** The tensor's element that element 0 of each row is. */
  long first;

  /** Number of elements. */
  int n;

  Block(int worker, int sources, boolean base, int length) {
    this.worker = worker;
    this.base = new double[base ? length : 0];
    this.source = new double[sources][length];
    this.out = new double[length];
    this.spare = new double[length];
    this.sum = new double[length];
  }
}
