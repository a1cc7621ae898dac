import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.block.BlockEncoder;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/**
 * Compares Lathe's block types with ggml's own: every block of its encoders is decoded to the same
 * numbers, and Lathe's encoders (ggml_quantize_chunk) on random and on real
 * weights: root mean squared error, plain and weighted by an importance, and nanoseconds a weight on one
 * thread.
 *
 * <p>Usage, from the repository root after a build:
 *
 * <pre>java --enable-native-access=ALL-UNNAMED -cp tensor/target/classes tools/CompareBlockEncoders.java \
 *     LIBGGML_BASE_SO [MODEL.safetensors with F32 matrices]</pre>
 *
 * The library comes with the npm package node-llama-cpp, as
 * {@code @node-llama-cpp/linux-x64/bins/linux-x64/libggml-base.so}.
 */
final class CompareBlockEncoders {

  private static final Map<String, Integer> IDS =
      Map.ofEntries(
          Map.entry("Q4_0", 2),
          Map.entry("Q4_1", 3),
          Map.entry("Q5_0", 6),
          Map.entry("Q5_1", 7),
          Map.entry("Q8_0", 8),
          Map.entry("Q2_K", 10),
          Map.entry("Q3_K", 11),
          Map.entry("Q4_K", 12),
          Map.entry("Q5_K", 13),
          Map.entry("Q6_K", 14),
          Map.entry("IQ4_NL", 20),
          Map.entry("MXFP4", 39),
          Map.entry("NVFP4", 40));

  public static void main(String[] arguments) throws Throwable {
    var linker = Linker.nativeLinker();
    var library = SymbolLookup.libraryLookup(Path.of(arguments[0]), Arena.global());
    // size_t ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix)
    var quantize =
        linker.downcallHandle(
            library.find("ggml_quantize_chunk").orElseThrow(),
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.ADDRESS,
                ValueLayout.ADDRESS,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.ADDRESS));
    var sets = new LinkedHashMap<String, float[]>();
    var random = new Random(1);
    var gaussian = new float[1 << 20];
    var tailed = new float[1 << 20];
    for (int i = 0; i < gaussian.length; i++) {
      gaussian[i] = (float) random.nextGaussian() * 0.02f;
      tailed[i] = (float) (random.nextGaussian() / Math.sqrt(0.1 + random.nextDouble()) * 0.02);
    }
    sets.put("gaussian", gaussian);
    sets.put("heavy-tailed", tailed);
    if (arguments.length > 1) {
      sets.put("real", matrices(Path.of(arguments[1])));
    }
    System.out.printf(
        "%-14s%-6s%-12s%12s%12s%9s%12s%12s%9s%10s%10s%n",
        "weights", "type", "importance", "rmse", "ggml", "ratio", "weighted", "ggml", "ratio", "ns/w", "ggml");
    for (var set : sets.entrySet()) {
      for (var type : BlockTypes.all()) {
        int columns = 512;
        int rows = set.getValue().length / columns;
        var x = java.util.Arrays.copyOf(set.getValue(), rows * columns);
        var importance = new float[columns];
        for (int j = 0; j < columns; j++) {
          importance[j] = (float) Math.exp(random.nextGaussian());
        }
        for (boolean given : new boolean[] {false, true}) {
          var ours = Arena.ofAuto().allocate(type.bytes(rows, columns), 64);
          long nanos = Long.MAX_VALUE;
          for (int repeat = 0; repeat < 3; repeat++) {
            long start = System.nanoTime();
            for (int row = 0; row < rows; row++) {
              var values = java.util.Arrays.copyOfRange(x, row * columns, (row + 1) * columns);
              BlockEncoder.encode(
                  type, values, 0, columns, given ? importance : null, ours, type.bytes(row, columns));
            }
            nanos = Math.min(nanos, System.nanoTime() - start);
          }
          var theirs = Arena.ofAuto().allocate(type.bytes(rows, columns), 64);
          var source = Arena.ofAuto().allocate(x.length * 4L, 64);
          source.copyFrom(MemorySegment.ofArray(x));
          var weights = Arena.ofAuto().allocate(columns * 4L, 64);
          weights.copyFrom(MemorySegment.ofArray(importance));
          long start = System.nanoTime();
          long ignored =
              (long)
                  quantize.invoke(
                      (int) IDS.get(type.name()),
                      source,
                      theirs,
                      0L,
                      (long) rows,
                      (long) columns,
                      given ? weights : MemorySegment.NULL);
          long ggmlNanos = System.nanoTime() - start;
          requireSameDecoding(linker, library, type, theirs, x.length);
          var a = errors(type, ours, x, importance);
          var b = errors(type, theirs, x, importance);
          System.out.printf(
              "%-14s%-6s%-12s%12.4e%12.4e%9.4f%12.4e%12.4e%9.4f%10.1f%10.1f%n",
              set.getKey(), type.name(), given ? "given" : "none", a[0], b[0], a[0] / b[0], a[1], b[1], a[1] / b[1],
              (double) nanos / x.length, (double) ggmlNanos / x.length);
        }
      }
    }
  }

  /** What ggml reads out of its own blocks, bit for bit but for the sign of zero. */
  private static void requireSameDecoding(
      Linker linker, SymbolLookup library, BlockType type, MemorySegment blocks, int count)
      throws Throwable {
    var name = "dequantize_row_" + type.name().toLowerCase(Locale.ROOT).replace("_k", "_K");
    var dequantize =
        linker.downcallHandle(
            library.find(name).orElseThrow(),
            FunctionDescriptor.ofVoid(
                ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG));
    var expected = Arena.ofAuto().allocate(4L * count, 64);
    dequantize.invoke(blocks, expected, (long) count);
    var decoded = new float[count];
    for (int block = 0; block < count / type.size(); block++) {
      type.decode(blocks, (long) block * type.bytes(), decoded, block * type.size());
    }
    for (int i = 0; i < count; i++) {
      float value = expected.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      if (decoded[i] != value) {
        throw new IllegalStateException(
            type + ": weight " + i + " is " + value + " in ggml, " + decoded[i] + " here");
      }
    }
  }

  private static double[] errors(BlockType type, MemorySegment blocks, float[] x, float[] importance) {
    var decoded = new float[x.length];
    for (int block = 0; block < x.length / type.size(); block++) {
      type.decode(blocks, (long) block * type.bytes(), decoded, block * type.size());
    }
    double plain = 0;
    double weighted = 0;
    for (int i = 0; i < x.length; i++) {
      double error = (double) decoded[i] - x[i];
      plain += error * error;
      weighted += error * error * importance[i % importance.length];
    }
    return new double[] {Math.sqrt(plain / x.length), Math.sqrt(weighted / x.length)};
  }

  /** All F32 matrices of a safetensors file, one after the other. */
  private static float[] matrices(Path path) throws Exception {
    try (var channel = FileChannel.open(path)) {
      var file = channel.map(FileChannel.MapMode.READ_ONLY, 0, Files.size(path)).order(ByteOrder.LITTLE_ENDIAN);
      int headerBytes = (int) file.getLong(0);
      var header = new byte[headerBytes];
      file.get(8, header);
      var pattern =
          Pattern.compile(
              "\"dtype\":\\s*\"F32\",\\s*\"shape\":\\s*\\[\\d+,\\s*\\d+\\],\\s*\"data_offsets\":\\s*\\[(\\d+),\\s*(\\d+)\\]");
      List<float[]> parts = new ArrayList<>();
      var matcher = pattern.matcher(new String(header));
      int total = 0;
      while (matcher.find()) {
        int from = Integer.parseInt(matcher.group(1));
        int to = Integer.parseInt(matcher.group(2));
        var values = new float[(to - from) / 4];
        file.slice(8 + headerBytes + from, to - from).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        parts.add(values);
        total += values.length;
      }
      var all = new float[total];
      int at = 0;
      for (var part : parts) {
        System.arraycopy(part, 0, all, at, part.length);
        at += part.length;
      }
      return all;
    }
  }
}
