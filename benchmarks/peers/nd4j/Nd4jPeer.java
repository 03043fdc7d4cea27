import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.DynamicCustomOp;
import org.nd4j.linalg.api.ops.impl.transforms.custom.LayerNorm;
import org.nd4j.linalg.api.ops.impl.updaters.AdamUpdater;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.nativeblas.NativeOpsHolder;
import org.nd4j.shade.jackson.databind.JsonNode;
import org.nd4j.shade.jackson.databind.ObjectMapper;

/**
 * ND4J as a contestant of {@code heddle bench --nd4j}: does what it is told over stdin, as {@code
 * wheel.py} says. Each work is the fastest form that ND4J has for it: results go to arrays that are
 * made once. f32 alone: its bf16 products and norms are conversions.
 */
public final class Nd4jPeer {
  private Nd4jPeer() {}

  /** No arguments: all comes over standard input. */
  public static void main(String[] args) throws IOException {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    JsonNode setting = new ObjectMapper().readTree(in.readLine());
    int threads = setting.get("threads").asInt();
    Nd4j.zeros(1); // loads the backend, which the next line does not
    NativeOpsHolder.getInstance().getDeviceNativeOps().setOmpNumThreads(threads);
    openblas_nolapack.blas_set_num_threads(threads);
    Map<String, INDArray> tensors = new HashMap<>();
    var places = setting.get("tensors").fields();
    while (places.hasNext()) {
      var place = places.next();
      tensors.put(place.getKey(), read(place.getValue()));
    }
    Supplier<List<INDArray>> work = work(setting, tensors);
    System.out.println("ready " + Nd4j.class.getPackage().getImplementationVersion());
    List<INDArray> answer = List.of();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", 2);
      if (words[0].equals("run")) {
        for (int i = Integer.parseInt(words[1]); i > 0; i--) {
          answer = work.get();
        }
      } else {
        write(Path.of(words[1]), answer);
      }
      System.out.println("done");
    }
  }

  private static Supplier<List<INDArray>> work(JsonNode setting, Map<String, INDArray> x) {
    String name = setting.get("work").asText();
    return switch (name) {
      case "gemm" -> gemm(x.get("x"), x.get("w"));
      case "norm" -> norm(x.get("x"), x.get("weight"), x.get("bias"));
      case "loss" -> loss(x.get("logits"), x.get("targets"));
      case "adamw" -> adamw(setting, x.get("gradient"));
      case "merge" -> merge(setting.get("weights"), x);
      case "attention" -> attention(x.get("q"), x.get("k"), x.get("v"));
      default -> throw new IllegalArgumentException("ND4J has no work '" + name + "'");
    };
  }

  /** x [M,K] times w [N,K] turned; in the column order that its BLAS writes without a copy. */
  private static Supplier<List<INDArray>> gemm(INDArray x, INDArray w) {
    INDArray y = Nd4j.createUninitialized(DataType.FLOAT, new long[] {x.size(0), w.size(0)}, 'f');
    return () -> List.of(Nd4j.gemm(x, w, y, false, true, 1, 0));
  }

  /** Layer norm of rows [N,F]. */
  private static Supplier<List<INDArray>> norm(INDArray x, INDArray weight, INDArray bias) {
    INDArray y = Nd4j.createUninitialized(DataType.FLOAT, x.shape());
    LayerNorm op = new LayerNorm(x, weight, bias, y, true, 1);
    return () -> {
      Nd4j.exec(op);
      return List.of(y);
    };
  }

  /** The gradient of the mean cross-entropy of logits [N,V]; targets [N]. */
  private static Supplier<List<INDArray>> loss(INDArray logits, INDArray targets) {
    INDArray gradient = Nd4j.createUninitialized(DataType.FLOAT, logits.shape());
    DynamicCustomOp op =
        DynamicCustomOp.builder("sparse_softmax_cross_entropy_loss_with_logits_grad")
            .addInputs(targets, logits)
            .addOutputs(gradient)
            .build();
    return () -> {
      Nd4j.exec(op);
      return List.of(gradient.divi(logits.size(0)));
    };
  }

  /** The first step of Adam with decoupled decay, which its updater leaves to the caller. */
  private static Supplier<List<INDArray>> adamw(JsonNode setting, INDArray gradient) {
    double rate = setting.get("rate").asDouble();
    double keep = 1 - rate * setting.get("decay").asDouble();
    INDArray p = Nd4j.zeros(DataType.FLOAT, gradient.shape());
    INDArray m = Nd4j.zeros(DataType.FLOAT, gradient.shape());
    INDArray v = Nd4j.zeros(DataType.FLOAT, gradient.shape());
    INDArray update = Nd4j.createUninitialized(DataType.FLOAT, gradient.shape());
    double beta1 = setting.get("beta1").asDouble();
    double beta2 = setting.get("beta2").asDouble();
    // Its eps is added before the correction of v, ours (and PyTorch's) after it.
    double eps = setting.get("eps").asDouble() * Math.sqrt(1 - beta2);
    return () -> {
      Nd4j.exec(new AdamUpdater(gradient, v, m, update, v, m, rate, beta1, beta2, eps, 0));
      p.muli(keep);
      p.subi(update);
      return List.of(p, m, v);
    };
  }

  /** base + sum of w_i (source_i - base), by its BLAS: one scaling, one axpy per source. */
  private static Supplier<List<INDArray>> merge(JsonNode weights, Map<String, INDArray> x) {
    INDArray base = x.get("base");
    INDArray y = Nd4j.createUninitialized(DataType.FLOAT, base.shape());
    double rest = 1;
    for (JsonNode w : weights) {
      rest -= w.asDouble();
    }
    double kept = rest;
    return () -> {
      base.muli(kept, y);
      for (int i = 0; i < weights.size(); i++) {
        Nd4j.getBlasWrapper()
            .level1()
            .axpy(base.length(), weights.get(i).asDouble(), x.get("source" + i), y);
      }
      return List.of(y);
    };
  }

  /** softmax(q k^T / sqrt(D)) v of [B,H,S,D]; its own layout is [B,H,D,S]. */
  private static Supplier<List<INDArray>> attention(INDArray q, INDArray k, INDArray v) {
    INDArray queries = q.permute(0, 1, 3, 2).dup('c');
    INDArray keys = k.permute(0, 1, 3, 2).dup('c');
    INDArray values = v.permute(0, 1, 3, 2).dup('c');
    return () -> {
      INDArray o = Nd4j.nn().dotProductAttention(queries, keys, values, null, true);
      return List.of(o.permute(0, 1, 3, 2));
    };
  }

  private static INDArray read(JsonNode place) throws IOException {
    String type = place.get(0).asText();
    long[] shape = new long[place.get(1).size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = place.get(1).get(i).asLong();
    }
    try (FileChannel file = FileChannel.open(Path.of(place.get(2).asText()))) {
      ByteBuffer bytes = file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
      bytes.order(ByteOrder.nativeOrder());
      switch (type) {
        case "f32" -> {
          float[] numbers = new float[bytes.remaining() / Float.BYTES];
          bytes.asFloatBuffer().get(numbers);
          return Nd4j.createFromArray(numbers).reshape(shape);
        }
        case "i32" -> {
          int[] numbers = new int[bytes.remaining() / Integer.BYTES];
          bytes.asIntBuffer().get(numbers);
          return Nd4j.createFromArray(numbers).reshape(shape);
        }
        default -> throw new IllegalArgumentException("ND4J takes f32 and i32, not " + type);
      }
    }
  }

  private static void write(Path file, List<INDArray> answer) throws IOException {
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      for (INDArray part : answer) {
        float[] numbers = part.dup('c').data().asFloat();
        ByteBuffer bytes =
            ByteBuffer.allocate(numbers.length * Float.BYTES).order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(numbers);
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
    }
  }
}
