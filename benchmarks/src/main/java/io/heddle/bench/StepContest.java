package io.heddle.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.op.Losses;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Loss and all gradients of a GPT-2 shaped decoder on one sequence: a training step without the
 * optimiser. libtorch does the same maths on the same weights with its own operators.
 */
final class StepContest extends CpuContest {
  private static final int LONGEST_OF_PEERS = 4096;

  /**
   * The model.
   *
   * @param window keys that a token sees, itself among them; 0: all before it
   */
  record Spec(int layers, int hidden, int heads, int vocabulary, int seq, int window) {
    /** The shape in words. */
    String words() {
      return "L%d d%d H%d V%d S%d %s"
          .formatted(
              layers, hidden, heads, vocabulary, seq, window == 0 ? "causal" : "window:" + window);
    }
  }

  private final Spec spec;
  private final Decoder model;
  private final Tensor ids;
  private final Tensor targets;
  private double loss;

  StepContest(Spec spec, String backendName, DType type, int threads) {
    super(backendName, type, threads);
    this.spec = spec;
    String schedule = spec.window == 0 ? "full" : "window:" + spec.window;
    ModelConfig config =
        ModelConfig.gpt2(spec.vocabulary, spec.hidden, spec.layers, spec.heads, spec.seq, schedule);
    this.model = own(Decoder.random(config, backend, type, 1));
    model.parameters().trainable();
    this.ids = indices(spec.vocabulary, spec.seq);
    this.targets = indices(spec.vocabulary, spec.seq);
    enter(Contestant.of(Contestant.OURS, this::step, this::answer));
    // Longer ones are there to be held against each other, and take a peer minutes.
    if (spec.seq <= LONGEST_OF_PEERS) {
      Tensor mask =
          spec.window == 0
              ? null
              : AttentionContest.mask(scope, spec.seq, Patterns.window(spec.window - 1, 0));
      // The preset's bf16 attention is a hundred times slower than the wheel's.
      if (type != DType.BF16 || !Guest.invited(Guest.PYTORCH)) {
        enterTorch(mask);
      }
      enterPyTorch(mask);
    }
  }

  private void enterPyTorch(@Nullable Tensor mask) {
    Map<String, Tensor> tensors = new LinkedHashMap<>(model.parameters().byName());
    tensors.put("ids", ids);
    tensors.put("targets", targets);
    if (mask != null) {
      tensors.put("mask", mask);
    }
    ObjectNode setting = Guest.work("step", true);
    setting.put("heads", spec.heads).put("layers", spec.layers);
    COMPARED.forEach(setting.putArray("compared")::add);
    Guest.enter(this, Guest.PYTORCH, setting, tensors);
  }

  private void step() {
    Set<Tensor> awaited = model.parameters().awaitGradients();
    try (Tape t = new Tape(backend, Randomness.NONE, awaited)) {
      Tensor hidden = model.hidden(t, ids, 1, null);
      double sum = Losses.sum(model.losses(t, hidden, targets, 1.0f / spec.seq));
      t.backward();
      loss = sum / spec.seq;
    }
  }

  // The loss, and gradients from both ends of the network.
  private static final List<String> COMPARED = List.of("layers.0.norm1.weight", "norm.weight");

  private double[] answer() {
    double[] all = new double[1 + COMPARED.size() * spec.hidden];
    all[0] = loss;
    for (int i = 0; i < COMPARED.size(); i++) {
      Tensor gradient =
          Objects.requireNonNull(model.parameters().get(COMPARED.get(i)).grad(), "gradient");
      System.arraycopy(gradient.toDoubles(), 0, all, 1 + i * spec.hidden, spec.hidden);
    }
    return all;
  }

  private void enterTorch(@Nullable Tensor seen) {
    List<String> names = List.copyOf(model.parameters().byName().keySet());
    Map<String, org.bytedeco.pytorch.Tensor> byName = new HashMap<>();
    TensorVector weights = new TensorVector();
    for (String name : names) {
      var weight = Torch.view(model.parameters().get(name));
      weight.set_requires_grad(true);
      byName.put(name, weight);
      weights.push_back(weight);
    }
    var tokens = Torch.keep(Torch.view(ids).to(torch.ScalarType.Long));
    var wanted = Torch.keep(Torch.view(targets).to(torch.ScalarType.Long));
    var mask = seen == null ? new TensorOptional() : new TensorOptional(Torch.view(seen));
    var decoder = new TorchDecoder(spec.layers, spec.hidden, spec.heads, byName);
    TorchDecoder.Attention attention =
        (layer, qkv) ->
            decoder.attention(
                decoder.part(qkv, 0),
                decoder.part(qkv, 1),
                decoder.part(qkv, 2),
                mask,
                spec.window == 0);
    enter(
        Torch.contestant(
            true,
            () -> {
              var logits = decoder.logits(decoder.hidden(tokens, 0, attention));
              var value = torch.cross_entropy_loss(logits, wanted);
              TensorVector gradients = torch.grad(new TensorVector(value), weights);
              List<org.bytedeco.pytorch.Tensor> results = new ArrayList<>(List.of(value));
              for (String name : COMPARED) {
                results.add(gradients.get(names.indexOf(name)));
              }
              return results;
            }));
  }

  @Override
  public String op() {
    return "train_step";
  }

  @Override
  public String shape() {
    return spec.words();
  }

  /** 6 per weight of a product and token, 14 D per pair of attention. */
  @Override
  public double flops() {
    double d = spec.hidden;
    double weights = 12.0 * spec.layers * d * d + spec.vocabulary * d;
    var pattern = spec.window == 0 ? Patterns.causal() : Patterns.window(spec.window - 1, 0);
    double pairs = BlockLayout.of(pattern, spec.heads, spec.seq, spec.seq).pairs(1);
    return 6 * weights * spec.seq + 14.0 * (d / spec.heads) * pairs * spec.layers;
  }

  /** Gradients pass through every layer in the type of the weights. */
  @Override
  public double tolerance() {
    return type == DType.F32 ? 1e-3 : 5e-2;
  }
}
