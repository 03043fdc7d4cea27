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
          "tokenize",
          "door",
          "cold");

  private Contests() {}

  /**
   * One contest on the CPU with one thread: {@code attention bf16 causal 1024}, {@code
   * attention-backward f32 window:256,0 4096} (12 heads of 64 features), {@code gemm f32 1024}, or
   * {@code norm}, {@code loss}, {@code optimizer}, {@code merge} and a type, or {@code tokenize},
   * {@code door}, {@code cold}.
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
      default -> of(words[0], List.of(type), backend, 1, true).getFirst().contest().get();
    };
  }

  /**
   * A contest that takes place later.
   *
   * @param name says which; unique in a run
   * @param contest makes it when its turn comes, for it holds memory
   */
  record Entry(String name, Supplier<Contest> contest) {}

  /** Contests of a work. */
  static List<Entry> of(
      String work, List<DType> types, String backend, int threads, boolean quick) {
    List<Entry> contests = new ArrayList<>();
    for (DType type : types) {
      switch (work) {
        case "attention" -> attention(contests, type, backend, threads, quick);
        case "gemm" -> {
          for (long n : quick ? new long[] {1024} : new long[] {512, 1024, 2048}) {
            contests.add(product(n, n, n, type, backend, threads));
          }
          contests.add(product(1024, 3072, 768, type, backend, threads));
        }
        case "step" -> steps(contests, type, backend, threads, quick);
        case "decode" -> decode(contests, type, backend, threads, quick);
        case "norm", "loss", "optimizer", "merge" ->
            memory(contests, work, type, backend, threads, quick);
        case "merge-files" ->
            contests.add(
                entry(work, type, "", () -> new MergeFilesContest(backend, type, threads)));
        case "tokenize" -> {
          if (type == types.getFirst()) {
            for (TokenizeContest.Kind kind : TokenizeContest.Kind.values()) {
              contests.add(new Entry(work + " " + kind, () -> new TokenizeContest(kind)));
            }
          }
        }
        case "door", "cold" -> {
          if (type == types.getFirst()) {
            contests.add(
                new Entry(work, work.equals("door") ? DoorContest::new : ColdContest::new));
          }
        }
        default ->
            throw new IllegalArgumentException(
                "there is no work '" + work + "'; there are: " + String.join(", ", WORKS));
      }
    }
    return contests;
  }

  private static Entry entry(String work, DType type, String which, Supplier<Contest> contest) {
    String name = work + " " + type.name().toLowerCase(Locale.ROOT) + " " + which;
    return new Entry(name.strip(), contest);
  }

  /** One attention. */
  static Entry attention(AttentionContest.Spec one, DType type, String backend, int threads) {
    String which = one.words() + (one.backward() ? " backward" : " forward");
    return entry("attention", type, which, () -> new AttentionContest(one, backend, type, threads));
  }

  private static Entry product(long m, long n, long k, DType type, String backend, int threads) {
    String which = "%d x %d x %d".formatted(m, n, k);
    return entry("gemm", type, which, () -> new GemmContest(m, n, k, backend, type, threads));
  }

  private static void decode(
      List<Entry> contests, DType type, String backend, int threads, boolean quick) {
    for (boolean prefill : new boolean[] {true, false}) {
      DecodeContest.Spec one = DecodeContest.Spec.small(prefill, quick);
      String which = (prefill ? "prefill " : "") + one.words();
      contests.add(
          entry("decode", type, which, () -> new DecodeContest(one, backend, type, threads)));
    }
    DecodeContest.Spec one = DecodeContest.Spec.small(false, quick);
    contests.add(
        entry(
            "decode",
            type,
            "int8 " + one.words(),
            () -> new Int8DecodeContest(one, backend, type, threads)));
  }

  private static void memory(
      List<Entry> contests, String work, DType type, String backend, int threads, boolean quick) {
    switch (work) {
      case "norm" ->
          contests.add(
              entry(
                  work,
                  type,
                  "",
                  () -> new MemoryContests.Norm(8192, 2048, backend, type, threads)));
      case "loss" ->
          contests.add(
              entry(
                  work,
                  type,
                  "",
                  () -> new MemoryContests.Loss(512, 50257, backend, type, threads)));
      case "optimizer" -> {
        if (type == DType.F32) {
          contests.add(
              entry(
                  work, type, "", () -> new MemoryContests.Optimizer(16 << 20, backend, threads)));
        }
      }
      default -> {
        for (int sources : quick ? new int[] {2} : new int[] {1, 2, 4}) {
          contests.add(
              entry(
                  work,
                  type,
                  sources + " sources",
                  () -> new MemoryContests.Merge(24 << 20, sources, backend, type, threads)));
        }
      }
    }
  }

  // A block of GPT-2 small, all of it with its vocabulary, and long sequences with and without a
  // window, which are there to be held against each other.
  private static void steps(
      List<Entry> contests, DType type, String backend, int threads, boolean quick) {
    List<StepContest.Spec> specs = new ArrayList<>();
    specs.add(new StepContest.Spec(1, 768, 12, 64, 1024, 0));
    if (!quick) {
      specs.add(new StepContest.Spec(12, 768, 12, 50257, 1024, 0));
      specs.add(new StepContest.Spec(2, 768, 12, 64, 8192, 0));
      specs.add(new StepContest.Spec(2, 768, 12, 64, 8192, 256));
    }
    for (StepContest.Spec one : specs) {
      contests.add(
          entry("step", type, one.words(), () -> new StepContest(one, backend, type, threads)));
    }
  }

  // Lengths and patterns at 64 features forward; at 128, and backward, the ends of the range.
  private static void attention(
      List<Entry> contests, DType type, String backend, int threads, boolean quick) {
    for (boolean backward : new boolean[] {false, true}) {
      for (int headDim : quick ? new int[] {64} : new int[] {64, 128}) {
        boolean all = !quick && !backward && headDim == 64;
        for (int seq : all ? new int[] {1024, 2048, 4096, 8192} : new int[] {1024, 4096}) {
          for (String pattern : List.of("full", "causal", "window:256,0")) {
            contests.add(sized(headDim, seq, pattern, backward, type, backend, threads));
          }
        }
      }
      List<String> blocks =
          quick
              ? List.of("64,0.75")
              : backward
                  ? List.of("64,0.5", "64,0.9")
                  : List.of("64,0.5", "64,0.75", "64,0.9", "64,0.95", "128,0.5", "128,0.95");
      for (String which : blocks) {
        contests.add(sized(64, 4096, "sparse:" + which, backward, type, backend, threads));
      }
    }
    if (!quick) {
      for (int seq : new int[] {16384, 32768, 65536, 131072}) {
        contests.add(sized(64, seq, "window:256,0", false, type, backend, threads));
      }
    }
  }

  private static Entry sized(
      int headDim,
      int seq,
      String pattern,
      boolean backward,
      DType type,
      String backend,
      int threads) {
    int heads = seq > 16384 ? 1 : seq > 2048 ? 4 : 12;
    return attention(
        new AttentionContest.Spec(1, heads, heads, headDim, seq, pattern, backward),
        type,
        backend,
        threads);
  }
}
