package io.heddle.tests;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.backend.collective.Collective;
import io.heddle.backend.collective.Meeting;
import io.heddle.backend.collective.MeetingPoint;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/** Ranks of a run as threads of this process, each with a backend of its own. */
final class Ranks {
  private static final InetAddress HERE = InetAddress.getLoopbackAddress();
  private static final int MOST = 3;
  private static final long SECONDS = 120; // a rank that waits for ever is a failure

  private static final Pattern ORDINAL = Pattern.compile("\"ordinal\":");

  private Ranks() {}

  /** What a rank does. */
  interface Work<T> {
    T run(Backend backend, Collective ranks) throws Exception;
  }

  /** How many ranks a backend can have here: NCCL wants a GPU for each, the emulation does not. */
  static int most(String backend) {
    int gpus = gpus(backend);
    return gpus == 0 ? MOST : Math.min(MOST, gpus);
  }

  // 0 where ranks may share what they compute on.
  private static int gpus(String backend) {
    if (!backend.equals("cuda")) {
      return 0;
    }
    try (Backend cuda = Backends.open(backend)) {
      String facts = cuda.describe();
      return facts.contains("emulated on the host")
          ? 0
          : (int) ORDINAL.matcher(facts).results().count();
    }
  }

  /** Runs {@code work} on all ranks; what each gave, or what it threw. */
  static <T> List<Future<T>> run(String backend, int size, Work<T> work) throws Exception {
    try (MeetingPoint point = new MeetingPoint(new InetSocketAddress(HERE, 0), size);
        ExecutorService threads = Executors.newFixedThreadPool(size)) {
      boolean shared = gpus(backend) == 0;
      InetSocketAddress at = new InetSocketAddress(HERE, point.port());
      List<Future<T>> all = new ArrayList<>();
      for (int rank = 0; rank < size; rank++) {
        int own = rank;
        all.add(
            threads.submit(
                () -> {
                  try (Meeting meeting =
                          own == 0 ? point.await(() -> null) : MeetingPoint.join(at, own, size);
                      Backend opened =
                          Backends.open(backend, new BackendOptions(shared ? 0 : own, 1));
                      Collective ranks = opened.collective(meeting)) {
                    T done = work.run(opened, ranks);
                    ranks.barrier();
                    return done;
                  }
                }));
      }
      threads.shutdown();
      if (!threads.awaitTermination(SECONDS, TimeUnit.SECONDS)) {
        threads.shutdownNow();
        throw new AssertionError("a rank still waits after " + SECONDS + " seconds");
      }
      return all;
    }
  }
}
