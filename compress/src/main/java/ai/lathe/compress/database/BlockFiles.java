package ai.lathe.compress.database;

import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Target;
import ai.lathe.format.FormatException;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The files of weights: a directory for each level, in it a safetensors file for each block. Layers
 * stand in them as they will in the artifact: under the same tensor names, through the same codecs;
 * the blocks of a GGUF file as bytes, rows in Hugging Face's order.
 */
final class BlockFiles {

  /** Ties a file to the database that it is of. */
  private static final String FINGERPRINT = "lathe.levels";

  private static final String BLOCKS = ".blocks";

  private final Path directory;
  private final Target target;
  private final String fingerprint;

  /**
   * @param fingerprint in one text
   */
  BlockFiles(Path directory, Target target, String fingerprint) {
    this.directory = directory;
    this.target = target;
    this.fingerprint = fingerprint;
  }

  String fingerprint() {
    return fingerprint;
  }

  Path directory(String level) {
    return directory.resolve(level.replace(':', '-'));
  }

  Path file(String level, int block) {
    return directory(level).resolve("block-%05d.safetensors".formatted(block));
  }

  /** Writes the layers of one block at one level. */
  final class Writer implements AutoCloseable {

    private final Path file;
    private final SafetensorsWriter tensors;

    /**
     * @param layers all that will be written
     */
    Writer(String level, int block, List<Plan.Entry> layers) {
      file = file(level, block);
      try {
        Files.createDirectories(file.getParent());
      } catch (IOException e) {
        throw FormatException.io("cannot write to " + file.getParent(), e);
      }
      var infos = new ArrayList<TensorInfo>();
      layers.forEach(layer -> infos.addAll(layout(layer)));
      var plan =
          SafetensorsPlan.single(
              part().getFileName().toString(), infos, Map.of(FINGERPRINT, fingerprint));
      tensors = SafetensorsWriter.create(file.getParent(), plan);
    }

    private Path part() {
      return file.resolveSibling(file.getFileName() + ".part");
    }

    void write(Plan.Entry layer, LinearWeight weight) {
      if (!weight.encoding().equals(layer.encoding())) {
        throw new IllegalStateException(
            "%s was planned as %s, and is %s"
                .formatted(layer.name(), layer.encoding(), weight.encoding()));
      }
      encode(layer, weight).forEach(tensors::write);
    }

    /** Makes it durable and puts it into place. */
    void finish() {
      tensors.finish();
      tensors.close();
      try {
        Files.move(
            part(), file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw FormatException.io("cannot write " + file, e);
      }
    }

    @Override
    public void close() {
      tensors.close();
    }
  }

  /** Throws {@link FormatException} where the file is of another database. */
  SafetensorsFile open(String level, int block) {
    var path = file(level, block);
    if (!Files.isRegularFile(path)) {
      throw new FormatException(
          "the level database lacks " + path + "; 'lathe search' with --force makes it anew");
    }
    var file = SafetensorsFile.open(path);
    if (!fingerprint.equals(file.metadata().get(FINGERPRINT))) {
      file.close();
      throw new FormatException(path + " belongs to another level database");
    }
    return file;
  }

  /** Over mapped memory, as long as the file is open. */
  LinearWeight read(SafetensorsFile file, Plan.Entry layer) {
    for (var expected : layout(layer)) {
      var found = file.info(expected.name());
      if (!found.equals(expected)) {
        throw new FormatException(file.path() + ": tensor " + found + " should be " + expected);
      }
    }
    if (layer.encoding() instanceof Encoding.Blocked(BlockType type)) {
      var data = file.tensor(layer.name() + BLOCKS).data();
      return new BlockQuantized(type, layer.rows(), layer.columns(), data);
    }
    try {
      return format().codec(layer.encoding()).decode(layer.name(), layer.encoding(), file);
    } catch (FormatException e) {
      throw e;
    } catch (LatheException e) {
      throw new FormatException(file.path() + ": " + e.getMessage(), e);
    }
  }

  private List<TensorInfo> layout(Plan.Entry layer) {
    return layer.encoding() instanceof Encoding.Blocked(BlockType type)
        ? List.of(
            new TensorInfo(
                layer.name() + BLOCKS,
                DType.U8,
                new long[] {layer.rows(), type.bytes(1, layer.columns())}))
        : format()
            .codec(layer.encoding())
            .layout(layer.name(), layer.encoding(), layer.rows(), layer.columns());
  }

  private Map<String, Tensor> encode(Plan.Entry layer, LinearWeight weight) {
    if (weight instanceof BlockQuantized blocks) {
      var info = layout(layer).getFirst();
      return Map.of(info.name(), new Tensor(DType.U8, info.shape(), blocks.blocks()));
    }
    return format().codec(layer.encoding()).encode(layer.name(), weight);
  }

  /** Of what is not in GGUF's blocks. */
  private QuantizationFormat format() {
    return target instanceof Target.Directory(QuantizationFormat format)
        ? format
        : Quantizations.COMPRESSED_TENSORS;
  }
}
