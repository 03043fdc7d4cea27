package io.heddle.checkpoint;

import io.heddle.checkpoint.Pickle.Global;
import io.heddle.checkpoint.Pickle.Tuple;
import io.heddle.checkpoint.ZipDirectory.Range;
import io.heddle.tensor.DType;
import io.heddle.tensor.Shapes;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a file that {@code torch.save} wrote (PyTorch 1.6 and later: a ZIP file with a
 * pickle in it). The pickle is read as data: classes and functions other than those that make
 * tensors are refused by name, and no code is ever run. Tensors in dictionaries inside dictionaries
 * have names joined by dots; what is no tensor is passed over. Mapped for reading; tensors may
 * share storage and have any strides.
 */
public final class TorchFile implements TensorFile {
  private static final long MOST_PICKLE = 100_000_000;
  private static final int MOST_DEPTH = 32;
  private static final int MOST_TENSORS = 1 << 20;

  private final Path path;
  private final FileChannel channel;
  private final Storage storage;
  private final Map<String, View> views = new LinkedHashMap<>();
  private final Map<String, TensorEntry> entries = new LinkedHashMap<>();

  /** A storage of the file: what its elements are, and where. */
  private record Stored(@Nullable StorageType type, long begin, long bytes) {}

  /** A tensor over a storage. Sizes and strides count elements. */
  @SuppressWarnings("ArrayRecordComponent") // never leaves this class
  private record View(StorageType type, long begin, long[] shape, long[] strides) {}

  private TorchFile(Path path, FileChannel channel, Storage storage) {
    this.path = path;
    this.channel = channel;
    this.storage = storage;
  }

  /**
   * Opens a file of any size.
   *
   * @throws PickleException when it is damaged, or asks for more than data
   * @throws IOException when it cannot be read
   */
  public static TorchFile open(Path path) throws IOException {
    Arena arena = Arena.ofShared();
    FileChannel channel = null;
    try {
      channel = FileChannel.open(path, StandardOpenOption.READ);
      MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      TorchFile out = new TorchFile(path, channel, Storage.host(file, address -> arena.close()));
      out.read(file);
      return out;
    } catch (Throwable e) {
      arena.close();
      if (channel != null) {
        channel.close();
      }
      throw e;
    }
  }

  private void read(MemorySegment file) {
    Map<String, Range> zip = ZipDirectory.read(file, path.toString());
    String pickle =
        zip.keySet().stream()
            .filter(entry -> entry.equals("data.pkl") || entry.endsWith("/data.pkl"))
            .findFirst()
            .orElseThrow(() -> new PickleException(path + " holds no data.pkl: not of torch.save"));
    String folder = pickle.substring(0, pickle.length() - "data.pkl".length());
    Range order = zip.get(folder + "byteorder");
    if (order != null && !text(file, order, 16).equals("little")) {
      throw new PickleException(path + " was saved on a machine of another byte order");
    }
    Range range = zip.get(pickle);
    if (range == null || range.size() > MOST_PICKLE) {
      throw new PickleException(path + ": data.pkl is larger than " + MOST_PICKLE + " bytes");
    }
    byte[] text = file.asSlice(range.begin(), range.size()).toArray(ValueLayout.JAVA_BYTE);
    Object root = new Pickle(text, path + ", data.pkl,", new Torch(zip, folder)).read();
    collect("", root, 0, new int[1]);
    views.forEach(
        (name, view) -> {
          long bytes = view.type.bytes(view.shape);
          entries.put(
              name, new TensorEntry(name, view.type, view.shape, view.begin, view.begin + bytes));
        });
  }

  private static String text(MemorySegment file, Range range, int most) {
    byte[] text =
        file.asSlice(range.begin(), Math.min(most, range.size())).toArray(ValueLayout.JAVA_BYTE);
    return new String(text, StandardCharsets.US_ASCII);
  }

  private void collect(String name, @Nullable Object object, int depth, int[] seen) {
    if (depth > MOST_DEPTH || ++seen[0] > MOST_TENSORS) { // a dictionary may hold itself
      throw new PickleException(path + " nests dictionaries too deep or holds too much");
    }
    switch (object) {
      case View view -> {
        if (views.putIfAbsent(name, view) != null) {
          throw new PickleException(path + " has two tensors of the name " + JsonText.quote(name));
        }
      }
      case Map<?, ?> map ->
          map.forEach(
              (key, value) ->
                  collect(name.isEmpty() ? "" + key : name + "." + key, value, depth + 1, seen));
      case null, default -> {} // epochs, options: nothing of a model
    }
  }

  /** What a pickle may ask for. */
  private final class Torch implements Pickle.Calls {
    private final Map<String, Range> zip;
    private final String folder;

    Torch(Map<String, Range> zip, String folder) {
      this.zip = zip;
      this.folder = folder;
    }

    @Override
    public @Nullable Object call(Global function, List<@Nullable Object> arguments) {
      switch (function.toString()) {
        case "collections.OrderedDict" -> {
          if (arguments.isEmpty()) {
            return new LinkedHashMap<Object, @Nullable Object>();
          }
        }
        case "torch._utils._rebuild_tensor_v2" -> {
          if (arguments.size() >= 6) {
            return tensor(arguments, null);
          }
        }
        case "torch._utils._rebuild_tensor_v3" -> {
          if (arguments.size() >= 7 && arguments.get(6) instanceof Global dtype) {
            return tensor(arguments, ofDtype(dtype));
          }
        }
        case "torch._utils._rebuild_parameter" -> {
          if (!arguments.isEmpty() && arguments.getFirst() instanceof View view) {
            return view;
          }
        }
        case "torch.Size" -> {
          if (arguments.size() == 1) {
            return arguments.getFirst();
          }
        }
        default ->
            throw new PickleException(
                path
                    + " asks for "
                    + JsonText.quote(function.toString())
                    + ", which is not run: only tensors are read; save its state_dict");
      }
      throw damaged(function + " is called with other arguments than PyTorch's");
    }

    @Override
    public Object persistent(@Nullable Object id) {
      if (!(id instanceof Tuple tuple)
          || tuple.items().size() != 5
          || !"storage".equals(tuple.items().getFirst())
          || !(tuple.items().get(1) instanceof Global type)
          || !(tuple.items().get(2) instanceof String key)
          || !(tuple.items().get(4) instanceof Long count)) {
        throw damaged("a storage is not described as PyTorch does");
      }
      Range range = zip.get(folder + "data/" + key);
      if (range == null) {
        throw damaged("storage " + JsonText.quote(key) + " is missing");
      }
      StorageType of = ofStorage(type);
      long bytes = of == null ? count : count * (of.bits() / 8);
      if (count < 0 || count > range.size() || bytes > range.size()) {
        throw damaged("storage " + JsonText.quote(key) + " is shorter than its tensors");
      }
      return new Stored(of, range.begin(), bytes);
    }

    private View tensor(List<@Nullable Object> arguments, @Nullable StorageType given) {
      if (!(arguments.get(0) instanceof Stored stored)
          || !(arguments.get(1) instanceof Long offset)
          || !(arguments.get(2) instanceof Tuple size)
          || !(arguments.get(3) instanceof Tuple stride)) {
        throw damaged("a tensor is not described as PyTorch does");
      }
      StorageType type = given == null ? stored.type : given;
      long[] shape = numbers(size);
      long[] strides = numbers(stride);
      if (type == null || shape.length != strides.length || offset < 0) {
        throw damaged("a tensor is not described as PyTorch does");
      }
      int width = type.bits() / 8;
      try {
        long last = offset;
        boolean empty = false;
        for (int i = 0; i < shape.length; i++) {
          empty |= shape[i] == 0;
          last = Math.addExact(last, Math.multiplyExact(Math.max(0, shape[i] - 1), strides[i]));
        }
        if (type.bytes(shape) > stored.bytes) { // a few bytes could stand for any number
          throw damaged("a tensor is larger than its storage: save it contiguous");
        }
        if (!empty && last >= stored.bytes / width) {
          throw damaged("a tensor goes past the end of its storage");
        }
        return new View(type, stored.begin + (empty ? 0 : offset * width), shape, strides);
      } catch (ArithmeticException e) {
        throw damaged("the size of a tensor does not fit 63 bits");
      }
    }

    private long[] numbers(Tuple tuple) {
      long[] out = new long[tuple.items().size()];
      for (int i = 0; i < out.length; i++) {
        if (!(tuple.items().get(i) instanceof Long number) || number < 0) {
          throw damaged("a shape or a stride is not a number, or negative");
        }
        out[i] = number;
      }
      return out;
    }

    private @Nullable StorageType ofStorage(Global type) {
      return switch (type.toString()) {
        case "torch.DoubleStorage" -> StorageType.F64;
        case "torch.FloatStorage" -> StorageType.F32;
        case "torch.HalfStorage" -> StorageType.F16;
        case "torch.BFloat16Storage" -> StorageType.BF16;
        case "torch.LongStorage" -> StorageType.I64;
        case "torch.IntStorage" -> StorageType.I32;
        case "torch.ShortStorage" -> StorageType.I16;
        case "torch.CharStorage" -> StorageType.I8;
        case "torch.ByteStorage" -> StorageType.U8;
        case "torch.BoolStorage" -> StorageType.BOOL;
        case "torch.ComplexFloatStorage" -> StorageType.C64;
        case "torch.storage.UntypedStorage" -> null;
        default -> throw damaged("storage of type " + type + " is not supported");
      };
    }

    private StorageType ofDtype(Global type) {
      return switch (type.toString()) {
        case "torch.float8_e4m3fn" -> StorageType.F8_E4M3;
        case "torch.float8_e5m2" -> StorageType.F8_E5M2;
        case "torch.float8_e4m3fnuz" -> StorageType.F8_E4M3FNUZ;
        case "torch.float8_e5m2fnuz" -> StorageType.F8_E5M2FNUZ;
        case "torch.float8_e8m0fnu" -> StorageType.F8_E8M0;
        case "torch.uint16" -> StorageType.U16;
        case "torch.uint32" -> StorageType.U32;
        case "torch.uint64" -> StorageType.U64;
        default -> throw damaged("tensors of type " + type + " are not supported");
      };
    }

    private PickleException damaged(String why) {
      return new PickleException(path + " is damaged: " + why);
    }
  }

  @Override
  public Map<String, String> metadata() {
    return Map.of();
  }

  @Override
  public List<TensorEntry> entries() {
    return new ArrayList<>(entries.values());
  }

  @Override
  public boolean contains(String name) {
    return entries.containsKey(name);
  }

  @Override
  public TensorEntry entry(String name) {
    TensorEntry entry = entries.get(name);
    if (entry == null) {
      throw new IllegalArgumentException(path + " has no tensor " + JsonText.quote(name));
    }
    return entry;
  }

  private View view(String name) {
    entry(name);
    View view = views.get(name);
    if (view == null) {
      throw new IllegalStateException(name);
    }
    return view;
  }

  @Override
  public MemorySegment segment(String name) {
    TensorEntry entry = entry(name);
    if (Shapes.isContiguous(view(name).shape, view(name).strides)) {
      return storage.segment().asSlice(entry.begin(), entry.bytes());
    }
    MemorySegment out = Arena.ofAuto().allocate(Math.max(1, entry.bytes()), 64);
    gather(view(name), 0, out.asSlice(0, entry.bytes()));
    return out.asSlice(0, entry.bytes()).asReadOnly();
  }

  @Override
  public Tensor tensor(String name) {
    TensorEntry entry = entry(name);
    DType dtype = entry.type().dtype();
    if (dtype == null) {
      throw new UnsupportedOperationException(
          path + ": tensor " + JsonText.quote(name) + " is " + entry.type() + ": use segment");
    }
    // The views of one file share its mapping, which lives until the last of them is done.
    return Shapes.isContiguous(view(name).shape, view(name).strides)
        ? Tensor.of(storage, entry.begin(), dtype, entry.shape()).named(name)
        : Tensor.of(Storage.host(segment(name), a -> {}), 0, dtype, entry.shape()).named(name);
  }

  @Override
  public void read(String name, long offset, MemorySegment into) throws IOException {
    TensorEntry entry = entry(name);
    if (offset < 0 || into.byteSize() > entry.bytes() - offset) {
      throw new IllegalArgumentException(
          "bytes [" + offset + ", " + (offset + into.byteSize()) + ") of " + entry);
    }
    View view = view(name);
    if (Shapes.isContiguous(view.shape, view.strides)) {
      FileReads.fully(channel, path, entry.begin() + offset, into);
    } else {
      gather(view, offset, into);
    }
  }

  /** Copies elements in row-major order from byte {@code offset} of that order on. */
  private void gather(View view, long offset, MemorySegment into) {
    int width = view.type.bits() / 8;
    int rank = into.byteSize() == 0 ? 0 : view.shape.length; // of no elements there is no place
    long[] index = new long[rank];
    long rest = offset / width;
    for (int d = rank - 1; d >= 0; d--) {
      index[d] = rest % view.shape[d];
      rest /= view.shape[d];
    }
    MemorySegment file = storage.segment();
    for (long at = 0; at < into.byteSize(); at += width) {
      long element = 0;
      for (int d = 0; d < rank; d++) {
        element += index[d] * view.strides[d];
      }
      MemorySegment.copy(file, view.begin + element * width, into, at, width);
      for (int d = rank - 1; d >= 0 && ++index[d] == view.shape[d]; d--) {
        index[d] = 0;
      }
    }
  }

  @Override
  public String identity() throws IOException {
    return FileReads.identity(path);
  }

  @Override
  public void close() {
    storage.close();
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String toString() {
    return path + " (" + entries.size() + " tensors)";
  }
}
