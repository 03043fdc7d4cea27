package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/** Attention, and block lists. */
final class AttentionCases extends CaseMaker {
  private static final double[] OFFSET = {1L << 33};

  AttentionCases(Collected to) {
    super(to);
  }

  /** What to attend to, and how. */
  private record Spec(
      String name,
      int b,
      int heads,
      int kvHeads,
      int queries,
      int keys,
      int d,
      Consumer<Options> options) {}

  private static final class Options {
    List<List<AttentionPattern>> patterns;
    int[] headGroup;
    boolean slopes;
    float softcap;
    float dropout;
    boolean told; // where the dropout draws, by a tensor

    void pattern(AttentionPattern pattern) {
      patterns = List.of(List.of(pattern));
    }
  }

  private static List<Spec> specs() {
    List<Spec> all = new ArrayList<>();
    for (int n : ConformanceCases.SIZES) {
      if (n > 0) {
        all.add(new Spec("full", 1, 2, 2, n, n, 16, o -> {}));
        all.add(new Spec("causal", 1, 2, 1, n, n, 32, o -> o.pattern(Patterns.causal())));
      }
    }
    for (int d : new int[] {1, 15, 16, 17, 63, 64, 65, 127, 128}) {
      all.add(new Spec("causal head size", 1, 2, 2, 33, 33, d, o -> o.pattern(Patterns.causal())));
    }
    all.add(new Spec("window", 2, 2, 2, 200, 200, 24, o -> o.pattern(Patterns.window(20, 0))));
    all.add(
        new Spec(
            "two-sided window", 1, 2, 2, 131, 131, 24, o -> o.pattern(Patterns.window(70, 9))));
    all.add(new Spec("dilated", 1, 2, 2, 150, 150, 16, o -> o.pattern(Patterns.dilated(90, 3))));
    all.add(
        new Spec(
            "block-local",
            1,
            2,
            2,
            130,
            130,
            16,
            o -> o.pattern(Patterns.block(50, 1).and(Patterns.causal()))));
    all.add(
        new Spec(
            "global",
            1,
            2,
            2,
            131,
            131,
            16,
            o -> o.pattern(Patterns.global(3).or(Patterns.window(9, 9)))));
    all.add(
        new Spec(
            "groups of heads",
            2,
            6,
            3,
            97,
            97,
            16,
            o -> {
              o.patterns =
                  List.of(
                      List.of(Patterns.causal(), Patterns.window(8, 0), Patterns.dilated(64, 4)));
              o.headGroup = new int[] {0, 1, 2, 2, 1, 0};
            }));
    all.add(
        new Spec(
            "documents",
            2,
            4,
            2,
            100,
            100,
            16,
            o -> {
              int[] first = new int[100];
              int[] second = new int[100];
              for (int i = 0; i < 100; i++) {
                first[i] = i / 30;
                second[i] = i < 77 ? 0 : i;
              }
              o.patterns =
                  List.of(
                      List.of(Patterns.documents(first).and(Patterns.causal())),
                      List.of(Patterns.documents(second).and(Patterns.causal())));
            }));
    all.add(new Spec("one query", 2, 4, 2, 1, 131, 64, o -> o.pattern(Patterns.causal())));
    all.add(new Spec("fewer queries", 1, 4, 1, 17, 127, 16, o -> o.pattern(Patterns.causal())));
    all.add(
        new Spec(
            "more queries, empty rows", 1, 2, 2, 127, 65, 16, o -> o.pattern(Patterns.causal())));
    all.add(new Spec("nothing seen", 1, 2, 2, 65, 65, 16, o -> o.pattern(Patterns.length(0))));
    all.add(new Spec("padding", 1, 2, 2, 65, 65, 16, o -> o.pattern(Patterns.length(40))));
    all.add(
        new Spec(
            "alibi",
            1,
            4,
            4,
            65,
            100,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.slopes = true;
            }));
    all.add(new Spec("alibi, all keys", 1, 4, 2, 65, 65, 16, o -> o.slopes = true));
    all.add(
        new Spec(
            "softcap",
            1,
            2,
            2,
            65,
            65,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.softcap = 1.5f;
            }));
    all.add(
        new Spec(
            "dropout",
            2,
            2,
            2,
            97,
            97,
            16,
            o -> {
              o.pattern(Patterns.causal());
              o.dropout = 0.4f;
            }));
    all.add(new Spec("dropout, all keys", 1, 4, 2, 65, 67, 16, o -> o.dropout = 0.25f));
    all.add(
        new Spec(
            "dropout, told where",
            2,
            2,
            1,
            70,
            90,
            16,
            o -> {
              o.dropout = 0.3f;
              o.told = true;
            }));
    all.add(
        new Spec(
            "everything",
            2,
            4,
            2,
            70,
            131,
            16,
            o -> {
              o.patterns =
                  List.of(
                      List.of(Patterns.causal(), Patterns.window(30, 30)),
                      List.of(Patterns.dilated(100, 2), Patterns.global(4).and(Patterns.causal())));
              o.headGroup = new int[] {0, 1, 1, 0};
              o.slopes = true;
              o.softcap = 3;
              o.dropout = 0.1f;
            }));
    return all;
  }

  void attention(DType t) {
    for (Spec spec : specs()) {
      Options o = new Options();
      spec.options.accept(o);
      attention(t, spec, o);
    }
  }

  // q, k and v lie as transposed views of a packed product.
  private void attention(DType t, Spec s, Options o) {
    String options =
        s.name + " " + s.b + "x" + s.heads + "/" + s.kvHeads + "x" + s.queries + "x" + s.keys + "x"
            + s.d;
    Params params = new Params.Attention(11, 5, (float) (1 / Math.sqrt(s.d)), o.softcap, o.dropout);
    Arg q = heads(t, s.b, s.heads, s.queries, s.d);
    Arg k = heads(t, s.b, s.kvHeads, s.keys, s.d);
    Arg v = heads(t, s.b, s.kvHeads, s.keys, s.d);
    Arg[] l = new Arg[6];
    try (Lab lab = new Lab("reference")) {
      Tensor[] lists = new Tensor[6];
      if (o.patterns != null) {
        int[] headGroup = o.headGroup == null ? new int[s.heads] : o.headGroup;
        BlockLayout.Tensors x =
            lab.layout(BlockLayout.compile(o.patterns, headGroup, s.queries, s.keys));
        lists =
            new Tensor[] {
              x.rowPtr(), x.rowBlocks(), x.colPtr(), x.colBlocks(), x.masks(), x.headGroup()
            };
        for (int i = 0; i < 6; i++) {
          l[i] =
              i == 4
                  ? null
                  : new Arg(lists[i].dtype(), Place.PACKED, lists[i].toDoubles(), lists[i].shape());
        }
        l[4] = masks(lists[4]);
      }
      Arg slopes =
          o.slopes
              ? new Arg(DType.F32, Place.PACKED, new double[] {0.5, 0.25, 0.125, 0.0625}, 4)
              : null;
      Arg offset = o.told ? longs(new long[] {(long) OFFSET[0]}, 1) : null;
      long[] lseShape = {s.b, s.heads, s.queries};
      add(
          OpCode.ATTENTION_FWD,
          options,
          t,
          params,
          Exactness.SUM,
          s.keys,
          q,
          k,
          v,
          l[0],
          l[1],
          l[4],
          l[5],
          slopes,
          offset,
          emptyHeads(t, q.shape()),
          s.queries % 2 == 0 && !s.name.equals("everything") ? null : out(DType.F32, lseShape));
      // The backward op gets what the reference's forward op gives.
      Tensor output = lab.out(t, q.shape());
      Tensor lse = lab.out(DType.F32, lseShape);
      lab.run(
          OpCode.ATTENTION_FWD,
          params,
          lab.put(t, q.values(), q.shape()),
          lab.put(t, k.values(), k.shape()),
          lab.put(t, v.values(), v.shape()),
          lists[0],
          lists[1],
          lists[4],
          lists[5],
          slopes == null ? null : lab.put(DType.F32, slopes.values(), 4),
          o.told ? lab.put(DType.I64, OFFSET, 1) : null,
          output,
          lse);
      add(
          OpCode.ATTENTION_BWD,
          options,
          t,
          params,
          Exactness.SUM,
          Math.max(s.keys, s.queries) * (long) (s.heads / s.kvHeads),
          q,
          k,
          v,
          new Arg(t, Place.HEADS, output.toDoubles(), q.shape()),
          new Arg(DType.F32, Place.PACKED, lse.toDoubles(), lseShape),
          heads(t, q.shape()),
          l[0],
          l[1],
          l[2],
          l[3],
          l[4],
          l[5],
          slopes,
          offset,
          emptyHeads(t, q.shape()),
          emptyHeads(t, k.shape()),
          emptyHeads(t, k.shape()));
    }
  }

  // Texts of a batch whose runs are long, short, beyond the cache and empty; and one of many
  // pieces.
  void steps(DType t) {
    for (int d : new int[] {1, 15, 16, 64, 65, 128, 256}) {
      step(t, 4, 4, d, 131, false);
      step(t, 6, 2, d, 67, true);
    }
    step(t, 2, 2, 64, 1, false);
    step(t, 2, 1, 64, 2500, true);
  }

  private void step(DType t, int heads, int kvHeads, int d, int slots, boolean bent) {
    int[] places = {
      slots - 1, 0, slots, slots / 2, slots / 3, slots / 2 + 1, 0, -4, slots + 9, slots / 3, 7, 7
    };
    double[] slopes = new double[heads];
    Arrays.setAll(slopes, h -> 0.25 / (h + 1));
    add(
        OpCode.ATTENTION_STEP,
        heads + "/" + kvHeads + "x" + slots + "x" + d,
        t,
        new Params.Attention(0, 0, (float) (1 / Math.sqrt(d)), bent ? 1.5f : 0, 0),
        Exactness.SUM,
        slots,
        heads(t, 4, heads, 1, d),
        heads(t, 4, kvHeads, 1, d),
        heads(t, 4, kvHeads, 1, d),
        ints(places, 4, 3),
        bent ? new Arg(DType.F32, Place.PACKED, slopes, heads) : null,
        in(t, 4, kvHeads, slots, d),
        in(t, 4, kvHeads, slots, d),
        emptyHeads(t, 4, heads, 1, d));
  }

  // Block lists of a window in blocks, and of all keys so far, over two rows of documents.
  void lists(int size) {
    double[] halves = {40, 0, 0, 0, 50, 0, 1, 0, -1, -1, 0, 0, -1, -1, 0, 0};
    int[] ids = new int[2 * size];
    Arrays.setAll(ids, i -> i / (i < size ? 29 : 70));
    long blocks = (size + 63L) / 64;
    long entries = 4 * blocks * blocks;
    add(
        OpCode.BLOCK_LISTS,
        "documents " + size,
        DType.F32,
        new Params.BlockLists(size, size),
        Exactness.EXACT,
        1,
        new Arg(DType.I64, Place.PACKED, halves, 2, 4),
        ints(ids, 2, size),
        ints(new int[(int) (4 * (blocks + 1))], 2, 2, blocks + 1),
        ints(new int[(int) (2 * entries)], entries, 2),
        ints(new int[(int) (4 * (blocks + 1))], 2, 2, blocks + 1),
        ints(new int[(int) (2 * entries)], entries, 2),
        new Arg(DType.I64, Place.PACKED, new double[0], entries + 1, 64));
  }

  // 64-bit words do not fit a double: two halves travel, and the test joins them.
  private static Arg masks(Tensor masks) {
    double[] halves = new double[(int) masks.size() * 2];
    for (int i = 0; i < halves.length; i++) {
      halves[i] = masks.segment().getAtIndex(java.lang.foreign.ValueLayout.JAVA_INT, i);
    }
    return new Arg(DType.I64, Place.PACKED, halves, masks.shape());
  }
}
