package ai.lathe.compress.plan;

import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Headless;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** The kind of artifact to write. */
public sealed interface Target {

  /** A directory with compressed weights as compressed-tensors. */
  Target HUGGING_FACE = new Directory(Quantizations.COMPRESSED_TENSORS);

  /** One GGUF file. */
  Target GGUF = new Gguf();

  /** A directory in Hugging Face's layout; compressed weights in this format. */
  record Directory(QuantizationFormat format) implements Target {

    @Override
    public String name() {
      return format.name();
    }

    @Override
    public boolean holds(Encoding encoding) {
      return Quantizations.holds(format, encoding);
    }

    @Override
    public void require(Encoding encoding) {
      Quantizations.require(format, encoding);
    }

    @Override
    public long bytes(Encoding encoding, int rows, int columns) {
      return format.codec(encoding).bytes(encoding, rows, columns);
    }

    @Override
    public CheckpointPlan outline(
        Path artifact, Checkpoint source, Map<Address, Encoding> encodings, boolean staticOrder) {
      return CheckpointWriters.huggingFace(artifact, source, encodings, format, staticOrder);
    }
  }

  /** See {@link #GGUF}. */
  record Gguf() implements Target {

    private static final Set<DType> PLAIN = EnumSet.of(DType.F32, DType.F16, DType.BF16);

    @Override
    public String name() {
      return "gguf";
    }

    @Override
    public boolean holds(Encoding encoding) {
      return encoding instanceof Encoding.Blocked
          || encoding instanceof Encoding.Plain(DType type) && PLAIN.contains(type);
    }

    @Override
    public long bytes(Encoding encoding, int rows, int columns) {
      return encoding.bytes(rows, columns);
    }

    @Override
    public Checkpoint fitting(Checkpoint source, Consumer<String> notes) {
      var fitting = Headless.of(source);
      if (fitting != source) {
        notes.accept("the head that predicts masked tokens is left out: GGUF has no place for it");
      }
      return fitting;
    }

    @Override
    public CheckpointPlan outline(
        Path artifact, Checkpoint source, Map<Address, Encoding> encodings, boolean staticOrder) {
      return CheckpointWriters.gguf(artifact, source, encodings);
    }
  }

  /** For reports. */
  String name();

  /** Whether a matrix can be stored so at all, whatever its shape. */
  boolean holds(Encoding encoding);

  /** Throws where a matrix cannot be stored so at all, and says what can hold it. */
  default void require(Encoding encoding) {
    if (!holds(encoding)) {
      throw new LatheException(
          "a GGUF file has no place for %s: name a directory, which stores sums and products of matrices"
              .formatted(encoding.label()));
    }
  }

  /** Exact bytes of the tensors that will hold a {@code [rows, columns]} matrix. */
  long bytes(Encoding encoding, int rows, int columns);

  /**
   * What of a model can be stored so at all.
   *
   * @param notes gets what cannot
   */
  default Checkpoint fitting(Checkpoint source, Consumer<String> notes) {
    return source;
  }

  /**
   * The artifact with every byte accounted for.
   *
   * @param encodings of every matrix
   * @param staticOrder columns were quantized in order of activation, which is recorded where there
   *     is a place for it
   */
  CheckpointPlan outline(
      Path artifact, Checkpoint source, Map<Address, Encoding> encodings, boolean staticOrder);

  /**
   * By the artifact's name: {@code .gguf} is a file, a name without an ending of a model file is a
   * directory.
   *
   * @param format of a directory's compressed weights; empty for compressed-tensors
   */
  static Target of(Path artifact, Optional<QuantizationFormat> format) {
    var name = artifact.getFileName().toString().toLowerCase(Locale.ROOT);
    if (name.endsWith(".gguf")) {
      if (format.isPresent()) {
        throw new LatheException(
            "--format is for directories, and "
                + artifact.getFileName()
                + " is a GGUF file: leave its ending out, or leave --format out");
      }
      return GGUF;
    }
    if (name.endsWith(".safetensors") || name.endsWith(".onnx")) {
      throw new LatheException(
          "a compressed model is a directory (compressed-tensors) or a .gguf file; "
              + artifact.getFileName()
              + " is neither: leave the ending out");
    }
    return format.<Target>map(Directory::new).orElse(HUGGING_FACE);
  }
}
