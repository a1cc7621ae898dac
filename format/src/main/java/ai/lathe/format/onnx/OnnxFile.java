package ai.lathe.format.onnx;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.onnx.OnnxGraph.Initializer;
import ai.lathe.format.onnx.OnnxGraph.Node;
import ai.lathe.format.onnx.OnnxGraph.Storage;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import com.google.protobuf.CodedInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The weights of an ONNX file under their Hugging Face names.
 *
 * <p>The exporter keeps the names of parameters that it uses as they are, but folds the transpose
 * of a linear layer's weight, which becomes {@code onnx::MatMul_885 [in, out]}; the module is still
 * in the name of the node that multiplies by it, {@code
 * /encoder/layer.0/attention/self/query/MatMul}. Such a weight appears here as {@code
 * encoder.layer.0.attention.self.query.weight [out, in]}, float32; each call copies it, whereas all
 * others lie in the mapped file.
 */
public final class OnnxFile implements TensorSource {

  private static final Pattern MATRIX_PRODUCT = Pattern.compile("/MatMul(_[0-9]+)?$");
  private static final long MOST_COPIED = Integer.MAX_VALUE - 8;
  private static final Set<String> QUANTIZED =
      Set.of(
          "MatMulInteger",
          "QLinearMatMul",
          "DequantizeLinear",
          "QuantizeLinear",
          "DynamicQuantizeLinear",
          "DynamicQuantizeMatMul",
          "MatMulNBits",
          "QAttention",
          "QGemm");

  private final Path path;
  private final Arena arena;
  private final MemorySegment file;
  private final Map<String, Entry> entries;

  /**
   * @param info as shown, after transposition
   * @param stored the type in the file
   */
  private record Entry(TensorInfo info, Initializer data, DType stored, boolean transposed) {}

  private OnnxFile(Path path, Arena arena, MemorySegment file) {
    this.path = path;
    this.arena = arena;
    this.file = file;
    this.entries = entries(OnnxGraph.read(file, path.toString()));
  }

  /** Maps a file; throws {@link FormatException} where it is no float ONNX model. */
  public static OnnxFile open(Path path) {
    if (Files.isDirectory(path)) {
      throw new FormatException(path + ": a directory, not an ONNX file");
    }
    var arena = Arena.ofShared();
    try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return new OnnxFile(path, arena, channel.map(MapMode.READ_ONLY, 0, channel.size(), arena));
    } catch (IOException e) {
      arena.close();
      throw FormatException.io("cannot read " + path, e);
    } catch (LatheException e) {
      arena.close();
      throw e;
    }
  }

  /** A file in memory, for tests of damaged ones. */
  static OnnxFile of(MemorySegment file) {
    return new OnnxFile(Path.of("memory"), Arena.ofShared(), file);
  }

  private Map<String, Entry> entries(OnnxGraph graph) {
    var modules = new LinkedHashMap<String, String>();
    var aliases = new LinkedHashMap<String, String>();
    for (var node : graph.nodes()) {
      if (QUANTIZED.contains(node.operator())) {
        throw new FormatException(
            path
                + ": the model is quantized already (node '"
                + node.name()
                + "' is a "
                + node.operator()
                + "); the float32 export of it can be read");
      }
      weightName(node).ifPresent(name -> modules.putIfAbsent(node.inputs().get(1), name));
      if (node.operator().equals("Identity")
          && node.inputs().size() == 1
          && node.outputs().size() == 1) {
        // Equal parameters are stored once; the others are copies of it under their own names.
        aliases.put(node.outputs().getFirst(), node.inputs().getFirst());
      }
    }
    var byName = new LinkedHashMap<String, Entry>();
    var initializers = new LinkedHashMap<String, Initializer>();
    for (var initializer : graph.initializers()) {
      initializers.put(initializer.name(), initializer);
      boolean anonymous = initializer.name().startsWith("onnx::");
      var module = anonymous ? modules.get(initializer.name()) : null;
      add(byName, module == null ? initializer.name() : module, initializer, module != null);
    }
    aliases.forEach(
        (alias, original) -> {
          var initializer = initializers.get(original);
          if (initializer != null && alias.contains(".") && !byName.containsKey(alias)) {
            add(byName, alias, initializer, false);
          }
        });
    return Collections.unmodifiableMap(byName);
  }

  /**
   * {@code encoder.layer.0.output.dense.weight} of {@code /encoder/layer.0/output/dense/MatMul}.
   */
  private static Optional<String> weightName(Node node) {
    var product = MATRIX_PRODUCT.matcher(node.name());
    if (!node.operator().equals("MatMul") || node.inputs().size() != 2 || !product.find()) {
      return Optional.empty();
    }
    var module = node.name().substring(0, product.start());
    int start = module.startsWith("/") ? 1 : 0;
    return Optional.of(module.substring(start).replace('/', '.') + ".weight");
  }

  private void add(
      Map<String, Entry> byName, String name, Initializer initializer, boolean linear) {
    var stored = dtype(name, initializer.type());
    boolean transposed = linear && initializer.dims().length == 2 && stored.isFloat();
    var info = new TensorInfo(name, stored, initializer.dims());
    check(info, initializer, transposed);
    if (transposed) {
      long[] dims = initializer.dims();
      info = new TensorInfo(name, DType.F32, new long[] {dims[1], dims[0]});
    }
    if (byName.put(name, new Entry(info, initializer, stored, transposed)) != null) {
      throw new FormatException(path + ": two initializers are called '" + name + "'");
    }
  }

  private void check(TensorInfo info, Initializer initializer, boolean transposed) {
    long bytes;
    try {
      bytes = info.bytes();
    } catch (LatheException e) {
      throw new FormatException(path + ": " + e.getMessage(), e);
    }
    boolean copied = initializer.storage() == Storage.VARINTS || transposed;
    if (copied && largest(info) > MOST_COPIED) {
      throw new FormatException(path + ": initializer " + info + " is too large");
    }
    boolean fits =
        switch (initializer.storage()) {
          case EXTERNAL ->
              throw new FormatException(
                  path
                      + ": the values of '"
                      + info.name()
                      + "' are in another file; export the model as a single file");
          case RAW -> initializer.length() == bytes;
          case FLOATS -> info.dtype() == DType.F32 && initializer.length() == bytes;
          case DOUBLES -> info.dtype() == DType.F64 && initializer.length() == bytes;
          // An integer takes at least a byte; how many there are is known once they are read.
          case VARINTS -> initializer.length() >= info.bytes() * 8 / info.dtype().bits();
        };
    if (!fits) {
      throw new FormatException(
          path
              + ": initializer "
              + info
              + " needs "
              + bytes
              + " bytes, but "
              + initializer.length()
              + " are stored as "
              + initializer.storage());
    }
  }

  /** The larger of its bytes and its dimensions, which an empty tensor may have too. */
  private static long largest(TensorInfo info) {
    return Math.max(info.bytes(), Arrays.stream(info.shape()).max().orElse(0));
  }

  private DType dtype(String name, int type) {
    return switch (type) {
      case 1 -> DType.F32;
      case 2 -> DType.U8;
      case 3 -> DType.I8;
      case 4 -> DType.U16;
      case 5 -> DType.I16;
      case 6 -> DType.I32;
      case 7 -> DType.I64;
      case 9 -> DType.BOOL;
      case 10 -> DType.F16;
      case 11 -> DType.F64;
      case 12 -> DType.U32;
      case 13 -> DType.U64;
      case 16 -> DType.BF16;
      case 17 -> DType.F8_E4M3;
      case 19 -> DType.F8_E5M2;
      default ->
          throw new FormatException(
              path + ": initializer '" + name + "' has the unknown element type " + type);
    };
  }

  @Override
  public Set<String> names() {
    return entries.keySet();
  }

  @Override
  public TensorInfo info(String name) {
    return entry(name).info;
  }

  @Override
  public Tensor tensor(String name) {
    var entry = entry(name);
    var dims = entry.data.dims();
    var bytes = file.asSlice(entry.data.offset(), entry.data.length());
    var data = entry.data.storage() == Storage.VARINTS ? integers(entry, bytes) : bytes;
    var tensor = new Tensor(entry.stored, dims, data);
    return entry.transposed ? transpose(tensor) : tensor;
  }

  private Entry entry(String name) {
    var entry = entries.get(name);
    if (entry == null) {
      throw new FormatException(path + ": no tensor '" + name + "'");
    }
    return entry;
  }

  /** Rewrites variable-length integers as plain elements. */
  private MemorySegment integers(Entry entry, MemorySegment varints) {
    int size = entry.stored.bits() / 8;
    var elements = new byte[Math.toIntExact(entry.info.bytes())];
    try {
      var in = CodedInputStream.newInstance(varints.toArray(ValueLayout.JAVA_BYTE));
      int at = 0;
      for (; !in.isAtEnd() && at < elements.length; at += size) {
        long value = in.readRawVarint64();
        for (int i = 0; i < size; i++) {
          elements[at + i] = (byte) (value >>> 8 * i);
        }
      }
      if (at != elements.length || !in.isAtEnd()) {
        throw new FormatException(
            path + ": initializer " + entry.info + " has another number of values");
      }
      return MemorySegment.ofArray(elements);
    } catch (IOException e) {
      throw FormatException.io(path + ": initializer " + entry.info, e);
    }
  }

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /**
   * {@code [in, out]} to {@code [out, in]}, in strips of rows so that reads and writes stay near.
   */
  private Tensor transpose(Tensor tensor) {
    int rows = Math.toIntExact(tensor.shape()[0]);
    int columns = Math.toIntExact(tensor.shape()[1]);
    int strip = 16;
    var target = MemorySegment.ofArray(new float[Math.multiplyExact(rows, columns)]);
    var values = new float[Math.multiplyExact(Math.min(strip, rows), columns)];
    for (int from = 0; from < rows; from += strip) {
      int count = Math.min(strip, rows - from);
      tensor.copyFloats((long) from * columns, values, 0, count * columns);
      for (int j = 0; j < columns; j++) {
        for (int i = 0; i < count; i++) {
          target.set(FLOAT, ((long) j * rows + from + i) * 4, values[i * columns + j]);
        }
      }
    }
    return new Tensor(DType.F32, new long[] {columns, rows}, target);
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
