package io.heddle.cli;

import java.util.concurrent.Callable;

/**
 * A verb that another jar adds to the command, found by ServiceLoader: a picocli command whose call
 * gives the exit code.
 */
public interface Verb extends Callable<Integer> {}
