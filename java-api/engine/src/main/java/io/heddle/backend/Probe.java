package io.heddle.backend;

/**
 * Whether a backend can be used here.
 *
 * @param available true if it can
 * @param reason a sentence for the user: why not, or what was found
 */
public record Probe(boolean available, String reason) {}
