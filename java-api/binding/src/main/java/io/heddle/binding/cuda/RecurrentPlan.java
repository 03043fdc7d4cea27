package io.heddle.binding.cuda;

import static org.bytedeco.cuda.global.cudnn.CUDNN_DATA_BFLOAT16;
import static org.bytedeco.cuda.global.cudnn.CUDNN_DATA_FLOAT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_DATA_HALF;
import static org.bytedeco.cuda.global.cudnn.CUDNN_DEFAULT_MATH;
import static org.bytedeco.cuda.global.cudnn.CUDNN_FMA_MATH;
import static org.bytedeco.cuda.global.cudnn.CUDNN_FWD_MODE_INFERENCE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_FWD_MODE_TRAINING;
import static org.bytedeco.cuda.global.cudnn.CUDNN_GRU;
import static org.bytedeco.cuda.global.cudnn.CUDNN_LINEAR_INPUT;
import static org.bytedeco.cuda.global.cudnn.CUDNN_LSTM;
import static org.bytedeco.cuda.global.cudnn.CUDNN_RNN_ALGO_STANDARD;
import static org.bytedeco.cuda.global.cudnn.CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED;
import static org.bytedeco.cuda.global.cudnn.CUDNN_RNN_DOUBLE_BIAS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_RNN_PADDED_IO_ENABLED;
import static org.bytedeco.cuda.global.cudnn.CUDNN_RNN_SINGLE_INP_BIAS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_STATUS_SUCCESS;
import static org.bytedeco.cuda.global.cudnn.CUDNN_TENSOR_OP_MATH;
import static org.bytedeco.cuda.global.cudnn.CUDNN_UNIDIRECTIONAL;

import io.heddle.backend.DeviceException;
import io.heddle.backend.RecurrentLibrary.Weights;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.function.ToLongFunction;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.cuda.cudnn.cudnnDropoutStruct;
import org.bytedeco.cuda.cudnn.cudnnRNNDataStruct;
import org.bytedeco.cuda.cudnn.cudnnRNNStruct;
import org.bytedeco.cuda.cudnn.cudnnTensorStruct;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.jspecify.annotations.Nullable;

/**
 * What cuDNN wants to be told of a recurrent layer of one shape, and where in its block of weights
 * each of ours lies.
 */
final class RecurrentPlan {
  private static final int LSTM = 0; // of Params.Recurrent

  /** What a plan depends on. */
  record Key(int kind, DType dtype, int steps, int rows, int inputs, int features) {
    int gates() {
      return kind == LSTM ? 4 : 3;
    }

    /** For messages. */
    @Override
    public String toString() {
      return "%s %s layer of %d steps, %d rows, %d inputs and %d outputs"
          .formatted(kind == LSTM ? "an LSTM" : "a GRU", dtype, steps, rows, inputs, features);
    }
  }

  /** Which of a layer's weights. */
  private enum Which {
    INPUT,
    HIDDEN,
    INPUT_BIAS,
    HIDDEN_BIAS
  }

  /**
   * Some gates of one of a layer's weights.
   *
   * @param from first row of the weight, or element of a bias
   * @param count how many
   * @param offset where they lie in cuDNN's block, in bytes
   */
  record Part(Which which, int from, int count, long offset) {
    /** In the layer's own weights. */
    Tensor of(Weights w) {
      Tensor whole =
          switch (which) {
            case INPUT -> w.input();
            case HIDDEN -> w.hidden();
            case INPUT_BIAS -> w.inputBias();
            case HIDDEN_BIAS -> given(w.hiddenBias());
          };
      return whole.slice(0, from, (long) from + count);
    }

    private static Tensor given(@Nullable Tensor bias) {
      if (bias == null) {
        throw new IllegalArgumentException("a GRU layer needs the bias of its last output");
      }
      return bias;
    }
  }

  /**
   * A part and its place.
   *
   * @param width numbers of a row, 0 of a bias
   */
  record Placed(Part part, DType dtype, int width) {
    Tensor of(Weights w) {
      return part.of(w);
    }

    Tensor in(Tensor space) {
      return width == 0
          ? Tensor.of(space.storage(), part.offset, dtype, part.count)
          : Tensor.of(space.storage(), part.offset, dtype, part.count, width);
    }
  }

  final Key key;
  final cudnnRNNStruct rnn = new cudnnRNNStruct();
  final cudnnRNNDataStruct x = new cudnnRNNDataStruct();
  final cudnnRNNDataStruct y = new cudnnRNNDataStruct();
  final cudnnTensorStruct state = new cudnnTensorStruct();
  final IntPointer lengths;
  final long weightBytes;
  final long workBytes;
  final long reserveBytes;

  private final cudnnDropoutStruct dropout = new cudnnDropoutStruct();
  private final long lengthsAddress;
  private final FloatPointer zero = new FloatPointer(1).put(0); // what padding is filled with
  private int[] described = new int[0];
  private @Nullable List<Placed> parts;

  /**
   * Makes the descriptors.
   *
   * @param device puts numbers into the device's memory and gives their address
   */
  RecurrentPlan(cudnnContext handle, Key key, boolean tf32, ToLongFunction<int[]> device) {
    this.key = key;
    describe(handle, tf32);
    int[] all = new int[key.rows];
    Arrays.fill(all, key.steps);
    check(cudnn.cudnnCreateRNNDataDescriptor(x), "descriptor of inputs");
    check(cudnn.cudnnCreateRNNDataDescriptor(y), "descriptor of outputs");
    ending(all);
    int row = key.features;
    check(cudnn.cudnnCreateTensorDescriptor(state), "descriptor of states");
    check(
        cudnn.cudnnSetTensorNdDescriptor(
            state,
            type(key.dtype),
            3,
            new int[] {1, key.rows, row},
            new int[] {key.rows * row, row, 1}),
        "states of " + key);
    try (SizeTPointer first = new SizeTPointer(1);
        SizeTPointer second = new SizeTPointer(1)) {
      check(cudnn.cudnnGetRNNWeightSpaceSize(handle, rnn, first), "size of the weights of " + key);
      this.weightBytes = first.get(0);
      sizes(handle, CUDNN_FWD_MODE_INFERENCE, first, second);
      long alone = first.get(0);
      sizes(handle, CUDNN_FWD_MODE_TRAINING, first, second);
      this.workBytes = Math.max(alone, first.get(0));
      this.reserveBytes = second.get(0);
    }
    this.lengthsAddress = device.applyAsLong(all);
    this.lengths = new IntPointer(new Address().at(lengthsAddress));
  }

  private void sizes(cudnnContext handle, int mode, SizeTPointer work, SizeTPointer reserve) {
    check(
        cudnn.cudnnGetRNNTempSpaceSizes(handle, rnn, mode, x, work, reserve),
        "workspace of " + key);
  }

  private void describe(cudnnContext handle, boolean tf32) {
    check(cudnn.cudnnCreateDropoutDescriptor(dropout), "descriptor of dropout");
    check(cudnn.cudnnSetDropoutDescriptor(dropout, handle, 0, null, 0, 0), "no dropout");
    int math =
        switch (key.dtype) {
          case F16 -> CUDNN_TENSOR_OP_MATH;
          case F32 -> tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
          default -> CUDNN_DEFAULT_MATH;
        };
    boolean lstm = key.kind == LSTM;
    check(cudnn.cudnnCreateRNNDescriptor(rnn), "descriptor of a layer");
    check(
        cudnn.cudnnSetRNNDescriptor_v8(
            rnn,
            CUDNN_RNN_ALGO_STANDARD,
            lstm ? CUDNN_LSTM : CUDNN_GRU,
            lstm ? CUDNN_RNN_SINGLE_INP_BIAS : CUDNN_RNN_DOUBLE_BIAS,
            CUDNN_UNIDIRECTIONAL,
            CUDNN_LINEAR_INPUT,
            type(key.dtype),
            CUDNN_DATA_FLOAT,
            math,
            key.inputs,
            key.features,
            key.features,
            1,
            dropout,
            CUDNN_RNN_PADDED_IO_ENABLED),
        key.toString());
  }

  /**
   * From now on rows end there.
   *
   * @param lengths steps of each row; null: all have all
   */
  void ending(int @Nullable [] lengths) {
    int[] wanted = new int[key.rows];
    Arrays.fill(wanted, key.steps);
    if (lengths != null) {
      wanted = lengths.clone();
    }
    if (!Arrays.equals(wanted, described)) {
      describe(x, key.inputs, wanted);
      describe(y, key.features, wanted);
      described = wanted;
    }
  }

  private void describe(cudnnRNNDataStruct data, int width, int[] all) {
    check(
        cudnn.cudnnSetRNNDataDescriptor(
            data,
            type(key.dtype),
            CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED,
            key.steps,
            key.rows,
            width,
            all,
            zero),
        "sequences of " + key);
  }

  private int type(DType dtype) {
    return switch (dtype) {
      case F32 -> CUDNN_DATA_FLOAT;
      case BF16 -> CUDNN_DATA_BFLOAT16;
      case F16 -> CUDNN_DATA_HALF;
      default -> throw new UnsupportedOperationException(key + " on CUDA");
    };
  }

  /** Throws what cuDNN says of a failed call. */
  static void check(int status, String what) {
    if (status != CUDNN_STATUS_SUCCESS) {
      String why = cudnn.cudnnGetErrorString(status).getString();
      throw new DeviceException("cuDNN: " + what + ": " + why);
    }
  }

  /** Where all weights lie, in as few runs as they can be copied in. */
  List<Placed> parts(cudnnContext handle, Tensor space) {
    List<Placed> known = parts;
    if (known == null) {
      known = find(handle, space);
      parts = known;
    }
    return known;
  }

  private List<Placed> find(cudnnContext handle, Tensor space) {
    List<Placed> all = new ArrayList<>();
    int gates = key.gates();
    long[] weights = new long[2 * gates];
    long[] biases = new long[2 * gates];
    cudnnTensorStruct weight = new cudnnTensorStruct();
    cudnnTensorStruct bias = new cudnnTensorStruct();
    check(cudnn.cudnnCreateTensorDescriptor(weight), "descriptor of a weight");
    check(cudnn.cudnnCreateTensorDescriptor(bias), "descriptor of a bias");
    try (PointerPointer<Pointer> first = new PointerPointer<>(1);
        PointerPointer<Pointer> second = new PointerPointer<>(1)) {
      Pointer block = new Address().at(space.address());
      for (int i = 0; i < weights.length; i++) {
        check(
            cudnn.cudnnGetRNNWeightParams(
                handle, rnn, 0, weightBytes, block, i, weight, first, bias, second),
            "weights of " + key);
        weights[i] = first.get(0).address() - space.address();
        Pointer there = second.get(0);
        biases[i] = there == null ? -1 : there.address() - space.address();
      }
    } finally {
      cudnn.cudnnDestroyTensorDescriptor(weight);
      cudnn.cudnnDestroyTensorDescriptor(bias);
    }
    add(all, Which.INPUT, weights, 0, key.inputs);
    add(all, Which.HIDDEN, weights, gates, key.features);
    add(all, Which.INPUT_BIAS, biases, 0, 0);
    if (key.kind != LSTM) {
      add(all, Which.HIDDEN_BIAS, biases, gates, 0);
    }
    return all;
  }

  // Gates that follow each other are one part.
  private void add(List<Placed> all, Which which, long[] offsets, int first, int width) {
    int features = key.features;
    long bytes = (long) features * Math.max(1, width) * key.dtype.bytes();
    int from = 0;
    for (int g = 1; g <= key.gates(); g++) {
      if (g == key.gates() || offsets[first + g] != offsets[first + g - 1] + bytes) {
        Part part = new Part(which, from * features, (g - from) * features, offsets[first + from]);
        all.add(new Placed(part, key.dtype, width));
        from = g;
      }
    }
  }

  /**
   * Gives everything back.
   *
   * @param device takes an address of the device's memory
   */
  void close(LongConsumer device) {
    cudnn.cudnnDestroyTensorDescriptor(state);
    cudnn.cudnnDestroyRNNDataDescriptor(y);
    cudnn.cudnnDestroyRNNDataDescriptor(x);
    cudnn.cudnnDestroyRNNDescriptor(rnn);
    cudnn.cudnnDestroyDropoutDescriptor(dropout);
    device.accept(lengthsAddress);
  }
}
