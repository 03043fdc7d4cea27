package io.heddle.bench;

import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Loading;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A GPT-2 small that writes with weights of eight bits in its blocks, beside itself with exact
 * ones: embedding and logits stay as they are, so that memory traffic falls to the sum of both.
 */
final class Int8DecodeContest extends CpuContest {
  private static final String EXACT = "exact weights";

  private final DecodeContest.Spec spec;
  private final int[] ids;
  private float[] logits = new float[0];

  Int8DecodeContest(DecodeContest.Spec spec, String backendName, DType type, int threads) {
    super(backendName, type, threads);
    this.spec = spec;
    ModelConfig config =
        ModelConfig.gpt2(
            spec.vocabulary(), spec.hidden(), spec.layers(), spec.heads(), spec.context(), "full");
    Decoder exact = own(Decoder.random(config, backend, type, 1));
    Decoder rounded = own(rounded(exact));
    this.ids = new SplittableRandom(7).ints(spec.tokens(), 0, spec.vocabulary()).toArray();
    enterOurs(() -> logits = DecodeContest.logits(rounded, ids, 1), () -> logits);
    enter(
        Contestant.of(
            EXACT,
            () -> logits = DecodeContest.logits(exact, ids, 1),
            () -> CpuContest.numbers(logits)));
  }

  // The loader rounds; a model in memory is never rounded in place.
  private Decoder rounded(Decoder exact) {
    try {
      Path folder = Files.createTempDirectory("heddle-int8");
      try {
        ModelFolder.save(exact, folder, Map.of());
        return (Decoder) AutoModel.load(folder, backend, Loading.as(type).inEightBits(true));
      } finally {
        Machine.discard(folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String op() {
    return "decode";
  }

  @Override
  public String shape() {
    return spec.words() + ", weights int8";
  }

  /** Each token reads every byte of the blocks and every output vector once. */
  @Override
  public double bytes() {
    long blocks = 12L * spec.layers() * spec.hidden() * spec.hidden();
    long outputs = (long) spec.vocabulary() * spec.hidden() * type.bytes();
    return (double) spec.tokens() * (blocks + outputs);
  }

  @Override
  public Bound bound() {
    return Bound.MEMORY;
  }

  /** A weight is off by 1/254 of its row's largest at most; layers add up to a few hundredths. */
  @Override
  public double tolerance() {
    return 0.1;
  }
}
