package io.heddle.checkpoint.merge;

import java.util.List;

/**
 * What a merge did.
 *
 * @param report one line for each departure of the models from plain agreement
 * @param bytesRead from the inputs
 * @param bytesWritten to the output
 * @param bytesReused of an interrupted run
 * @param seconds wall time
 */
public record MergeResult(
    List<String> report, long bytesRead, long bytesWritten, long bytesReused, double seconds) {}
