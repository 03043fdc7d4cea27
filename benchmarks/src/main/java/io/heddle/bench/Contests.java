package io.heddle.bench;

import io.heddle.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;

/** The contests by name: the lists of {@code heddle bench WORK}, and single ones for JMH. */
public final class Contests {
  static final List<String> WORKS =
      List.of(
          "attention",
          "step",
          "decode",
          "gemm",
          "norm",
          "loss",
          "optimizer",
          "merge",
          "merge-files",
          "door",
          "cold");

  private Contests() {}

  /**
   * One contest on the CPU with one thread: {@code attention bf16 causal 1024}, {@code
   * attention-backward f32 window:256,0 4096} (12 heads of 64 features), {@code gemm f32 1024}, or
   * {@code norm}, {@code loss}, {@code optimizer}, {@code merge} and a type, or {@code door},
   * {@code cold}.
   */
  public static Contest named(String text) {
    String[] words = text.split(" ", -1);
    DType type = words.length > 1 ? DType.valueOf(words[1].toUpperCase(Locale.ROOT)) : DType.F32;
    String backend = "cpu";
    return switch (words[0]) {
      case "attention", "attention-backward" -> {
        AttentionContest.Spec spec =
            new AttentionContest.Spec(
                1, 12, 12, 64, Integer.parseInt(words[3]), words[2], words[0].endsWith("backward"));
        yield new AttentionContest(spec, backend, type, 1);
      }
      case "gemm" -> {
        long n = Long.parseLong(words[2]);
        yield new GemmContest(n, n, n, backend, type, 1);
      }
      default -> of(words[0], List.of(type), backend, 1, true).getFirst().get();
    };
  }

  /** Contests of a work, made when their turn comes, for they hold memory. */
  static List<Supplier<Contest>> of(
      String work, List<DType> types, String backend, int threads, boolean quick) {
    List<Supplier<Contest>> contests = new ArrayList<>();
    for (DType type : types) {
      switch (work) {
        case "attention" -> attention(contests, type, backend, threads, quick);
        case "gemm" -> {
          for (long n : quick ? new long[] {1024} : new long[] {512, 1024, 2048}) {
            contests.add(() -> new GemmContest(n, n, n, backend, type, threads));
          }
          contests.add(() -> new GemmContest(1024, 3072, 768, backend, type, threads));
        }
        case "step" -> steps(contests, type, backend, threads, quick);
        case "decode" -> {
          for (boolean prefill : new boolean[] {true, false}) {
            DecodeContest.Spec one = DecodeContest.Spec.small(prefill, quick);
            contests.add(() -> new DecodeContest(one, backend, type, threads));
          }
          DecodeContest.Spec writing = DecodeContest.Spec.small(false, quick);
          contests.add(() -> new Int8DecodeContest(writing, backend, type, threads));
        }
        case "norm" ->
            contests.add(() -> new MemoryContests.Norm(8192, 2048, backend, type, threads));
        case "loss" ->
            contests.add(() -> new MemoryContests.Loss(512, 50257, backend, type, threads));
        case "optimizer" -> {
          if (type == DType.F32) {
            contests.add(() -> new MemoryContests.Optimizer(16 << 20, backend, threads));
          }
        }
        case "merge" -> {
          for (int sources : quick ? new int[] {2} : new int[] {1, 2, 3, 4}) {
            contests.add(() -> new MemoryContests.Merge(24 << 20, sources, backend, type, threads));
          }
        }
        case "merge-files" -> contests.add(() -> new MergeFilesContest(backend, type, threads));
        case "door", "cold" -> {
          if (type == types.getFirst()) {
            contests.add(work.equals("door") ? DoorContest::new : ColdContest::new);
          }
        }
        default ->
            throw new IllegalArgumentException(
                "there is no work '" + work + "'; there are: " + String.join(", ", WORKS));
      }
    }
    return contests;
  }

  // A block of GPT-2 small, all of it with its vocabulary, and long sequences with and without a
  // window.
  private static void steps(
      List<Supplier<Contest>> contests, DType type, String backend, int threads, boolean quick) {
    List<StepContest.Spec> specs = new ArrayList<>();
    specs.add(new StepContest.Spec(1, 768, 12, 64, 1024, 0));
    if (!quick) {
      specs.add(new StepContest.Spec(12, 768, 12, 50257, 1024, 0));
      specs.add(new StepContest.Spec(2, 768, 12, 64, 8192, 0));
      specs.add(new StepContest.Spec(2, 768, 12, 64, 8192, 256));
    }
    for (StepContest.Spec one : specs) {
      contests.add(() -> new StepContest(one, backend, type, threads));
    }
  }

  private static void attention(
      List<Supplier<Contest>> contests, DType type, String backend, int threads, boolean quick) {
    int[] lengths = quick ? new int[] {1024, 4096} : new int[] {1024, 2048, 4096, 8192};
    for (boolean backward : new boolean[] {false, true}) {
      for (int headDim : quick ? new int[] {64} : new int[] {64, 128}) {
        for (int seq : lengths) {
          for (String pattern : List.of("full", "causal", "window:256,0")) {
            if (!backward || seq <= 4096) {
              add(contests, headDim, seq, pattern, backward, type, backend, threads);
            }
          }
        }
      }
      for (String share : quick ? List.of("0.75") : List.of("0.5", "0.75", "0.9", "0.95")) {
        for (int block : quick ? new int[] {64} : new int[] {64, 128}) {
          String pattern = "sparse:" + block + "," + share;
          add(contests, 64, 4096, pattern, backward, type, backend, threads);
        }
      }
    }
    if (!quick) {
      for (int seq : new int[] {16384, 32768, 65536, 131072}) {
        add(contests, 64, seq, "window:256,0", false, type, backend, threads);
      }
    }
  }

  private static void add(
      List<Supplier<Contest>> contests,
      int headDim,
      int seq,
      String pattern,
      boolean backward,
      DType type,
      String backend,
      int threads) {
    int heads = seq > 16384 ? 1 : seq > 2048 ? 4 : 12;
    AttentionContest.Spec spec =
        new AttentionContest.Spec(1, heads, heads, headDim, seq, pattern, backward);
    contests.add(() -> new AttentionContest(spec, backend, type, threads));
  }
}
