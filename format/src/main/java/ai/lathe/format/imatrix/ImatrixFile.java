package ai.lathe.format.imatrix;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufFile;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufWriter;
import ai.lathe.format.imatrix.ImportanceMatrix.Entry;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * Reads importance matrices in both forms, and writes them as GGUF: for each tensor {@code
 * NAME.in_sum2} {@code [matrices, in]} and {@code NAME.counts} {@code [matrices, 1]}, float32.
 */
public final class ImatrixFile {

  private static final String SUMS = ".in_sum2";
  private static final String COUNTS = ".counts";
  private static final String TYPE = "general.type";
  private static final String DATASETS = "imatrix.datasets";
  private static final String CHUNK_COUNT = "imatrix.chunk_count";
  private static final String CHUNK_SIZE = "imatrix.chunk_size";
  private static final Encoding FLOAT = new Encoding.Plain(DType.F32);

  private ImatrixFile() {}

  /**
   * Reads a file, whichever form it has.
   *
   * @throws FormatException where it is no importance matrix, or anything about it is not right
   */
  public static ImportanceMatrix read(Path path) {
    return isGguf(path) ? readGguf(path) : LegacyImatrix.read(path);
  }

  private static boolean isGguf(Path path) {
    try (var channel = FileChannel.open(path)) {
      var magic = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
      while (magic.hasRemaining() && channel.read(magic) >= 0) {}
      return magic.flip().remaining() == 4 && magic.getInt() == 0x46554747;
    } catch (IOException e) {
      throw FormatException.io("cannot read " + path, e);
    }
  }

  private static ImportanceMatrix readGguf(Path path) {
    try (var file = GgufFile.open(path)) {
      var entries = new LinkedHashMap<String, Entry>();
      for (var name : file.tensors().keySet()) {
        if (name.endsWith(SUMS)) {
          var tensor = name.substring(0, name.length() - SUMS.length());
          entries.put(
              tensor, entry(path, tensor, floats(file, name), floats(file, tensor + COUNTS)));
        } else if (name.endsWith(COUNTS)) {
          file.info(name.substring(0, name.length() - COUNTS.length()) + SUMS);
        }
      }
      if (entries.isEmpty()) {
        throw new FormatException(
            path + " is not an importance matrix: it has no tensor that ends in " + SUMS);
      }
      var metadata = file.metadata();
      return new ImportanceMatrix(
          entries,
          metadata.findStrings(DATASETS).orElse(List.of()),
          number(path, metadata, CHUNK_COUNT),
          number(path, metadata, CHUNK_SIZE));
    }
  }

  private static float[] floats(GgufFile file, String name) {
    var tensor = file.tensor(name);
    if (tensor.dtype() != DType.F32 || tensor.elements() > Integer.MAX_VALUE - 8) {
      throw new FormatException(
          file.path() + ": tensor '" + name + "' is not a float32 vector of a layer's inputs");
    }
    return tensor.toFloats();
  }

  private static int number(Path path, GgufMetadata metadata, String key) {
    long value = metadata.findInteger(key).orElse(0);
    if (value < 0 || value > Integer.MAX_VALUE) {
      throw new FormatException(path + ": key '" + key + "' is " + value);
    }
    return (int) value;
  }

  static Entry entry(Path path, String tensor, float[] sums, float[] counts) {
    try {
      return new Entry(sums, counts);
    } catch (FormatException e) {
      throw new FormatException(path + ": tensor '" + tensor + "': " + e.getMessage(), e);
    }
  }

  /** Writes a file; what stands there is replaced once the new one is complete. */
  public static void write(Path path, ImportanceMatrix matrix) {
    var metadata =
        GgufMetadata.builder()
            .string(TYPE, "imatrix")
            .strings(DATASETS, matrix.datasets())
            .u32(CHUNK_COUNT, matrix.chunkCount())
            .u32(CHUNK_SIZE, matrix.chunkSize())
            .build();
    var tensors = new LinkedHashMap<String, Tensor>();
    matrix
        .entries()
        .forEach(
            (name, entry) -> {
              int matrices = entry.counts().length;
              tensors.put(
                  name + SUMS,
                  Tensor.ofFloats(entry.sums(), matrices, entry.sums().length / matrices));
              tensors.put(name + COUNTS, Tensor.ofFloats(entry.counts(), matrices, 1));
            });
    var planned = new ArrayList<GgufWriter.Planned>();
    tensors.forEach(
        (name, tensor) -> planned.add(new GgufWriter.Planned(name, tensor.shape(), FLOAT)));
    try (var writer = GgufWriter.create(path, metadata, planned)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
  }
}
