package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.backend.collective.Collective;
import io.heddle.backend.collective.Meeting;
import io.heddle.backend.collective.MeetingPoint;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Options of a run that several processes share. */
final class RankOptions {
  // A process that another has started finds its place in these.
  static final String WORLD = "HEDDLE_WORLD";
  static final String RANK = "HEDDLE_RANK";
  static final String MEET = "HEDDLE_MEET";

  private static final InetAddress HERE = InetAddress.getLoopbackAddress();

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--processes",
      defaultValue = "1",
      description = {
        "Processes on this machine, which share each step: this one starts the others. Each takes"
            + " a",
        "GPU, from --device on, or its part of the CPU's cores (default: 1)."
      })
  private int processes;

  @Option(
      names = "--world",
      defaultValue = "${env:HEDDLE_WORLD:-0}",
      description = {
        "Processes in all where they are started one by one, on one machine or several; each has",
        "the same options but for --rank and --device. 0: --processes."
      })
  private int world;

  @Option(
      names = "--rank",
      defaultValue = "${env:HEDDLE_RANK:-0}",
      description = "Which of them this is, 0 to --world less one.")
  private int rank;

  @Option(
      names = "--meet",
      paramLabel = "HOST:PORT",
      defaultValue = "${env:HEDDLE_MEET:-127.0.0.1:29400}",
      description = "Where rank 0 waits for the others (default: 127.0.0.1:29400).")
  private String meet = "";

  RankOptions() {}

  /** How many processes there are in all. */
  int world() {
    return world > 0 ? world : processes;
  }

  /** Whether this one speaks: rank 0. */
  boolean speaks() {
    return rank == 0;
  }

  /** What a run tells of its progress: nothing on other ranks. */
  ProgressListener progress(Session session) {
    return speaks() ? session.progress() : ProgressListener.NONE;
  }

  /** Opens the backend of this process. */
  Backend open(Session session) {
    return processes > 1 ? session.open(rank, processes) : session.open();
  }

  private InetSocketAddress place() {
    int colon = meet.lastIndexOf(':');
    try {
      return InetSocketAddress.createUnresolved(
          meet.substring(0, colon), Integer.parseInt(meet.substring(colon + 1)));
    } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new IllegalArgumentException("--meet is '" + meet + "', not HOST:PORT", e);
    }
  }

  /** A run's processes, come together. */
  record Together(@Nullable Meeting meeting, @Nullable Siblings started) implements AutoCloseable {
    /** Sums over them; alone there is nothing to add. */
    Collective collective(Backend backend) {
      return meeting == null ? Collective.alone() : backend.collective(meeting);
    }

    /** Waits until those that this one has started have ended well. */
    void finish() {
      if (started != null) {
        started.finish();
      }
    }

    @Override
    public void close() {
      if (meeting != null) {
        meeting.close();
      }
      if (started != null) {
        started.close();
      }
    }
  }

  /** Starts other processes if that is asked for, and waits for all. */
  Together meet() throws IOException {
    if (processes < 1 || world < 0) {
      throw new IllegalArgumentException("--processes is " + processes + ", --world " + world);
    }
    if (world > 0 && processes > 1 && processes != world) {
      throw new IllegalArgumentException(
          "--processes starts all processes of a run on this machine; with --world "
              + world
              + " each is started by itself");
    }
    if (world == 0 && processes == 1) {
      return new Together(null, null);
    }
    if (world > 0) {
      return new Together(rank == 0 ? hosted() : MeetingPoint.join(place(), rank, world), null);
    }
    try (MeetingPoint point = new MeetingPoint(new InetSocketAddress(HERE, 0), processes)) {
      Siblings siblings = siblings(point.port());
      try {
        return new Together(point.await(siblings::trouble), siblings);
      } catch (IOException | RuntimeException e) {
        siblings.close();
        throw e;
      }
    }
  }

  private Siblings siblings(int port) throws IOException {
    List<String> arguments = spec.root().commandLine().getParseResult().originalArgs();
    return Siblings.start(processes, HERE.getHostAddress() + ":" + port, arguments);
  }

  private Meeting hosted() throws IOException {
    InetSocketAddress place = place();
    InetSocketAddress at = new InetSocketAddress(place.getHostString(), place.getPort());
    try (MeetingPoint point = new MeetingPoint(at, world)) {
      return point.await(() -> null);
    }
  }
}
