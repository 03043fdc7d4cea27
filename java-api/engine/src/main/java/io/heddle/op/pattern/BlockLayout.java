package io.heddle.op.pattern;

/** Placeholder until the layout lands in the next commit. */
final class BlockLayout {}
