package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Plans models to be written, in the formats that there are. */
public final class CheckpointWriters {

  private CheckpointWriters() {}

  /**
   * A directory in Hugging Face's layout, its compressed weights as compressed-tensors.
   *
   * @param source whose configuration, tokenizer and vectors' types it gets
   * @param matrices the encoding of every matrix of the source
   * @throws LatheException where the format cannot hold one of them
   */
  public static CheckpointPlan huggingFace(
      Path target, Checkpoint source, Map<Address, Encoding> matrices) {
    return huggingFace(target, source, matrices, Quantizations.COMPRESSED_TENSORS, false);
  }

  /**
   * Likewise.
   *
   * @param format of compressed weights
   * @param staticOrder columns were quantized in order of activation, which is recorded and changes
   *     nothing
   */
  public static CheckpointPlan huggingFace(
      Path target,
      Checkpoint source,
      Map<Address, Encoding> matrices,
      QuantizationFormat format,
      boolean staticOrder) {
    requireAll(source, matrices);
    return HuggingFacePlan.of(target, source, matrices, format, staticOrder);
  }

  /** One GGUF file; vectors are float32. Likewise. */
  public static CheckpointPlan gguf(
      Path target, Checkpoint source, Map<Address, Encoding> matrices) {
    requireAll(source, matrices);
    return GgufPlan.of(target, source, matrices);
  }

  /** Whether something is there that a new model would take the place of. */
  public static boolean occupied(Path target) {
    if (!Files.isDirectory(target)) {
      return Files.exists(target);
    }
    try (var list = Files.list(target)) {
      return list.findAny().isPresent();
    } catch (IOException e) {
      throw FormatException.io("cannot read " + target, e);
    }
  }

  /** Whether the address holds a matrix, which has an encoding; the others are vectors. */
  static boolean isMatrix(Checkpoint source, Address address) {
    return address.part() == Part.WEIGHT
        && source.architecture().parameter(address.role()).isMatrix();
  }

  private static void requireAll(Checkpoint source, Map<Address, Encoding> matrices) {
    for (var address : source.addresses()) {
      if (isMatrix(source, address) && !matrices.containsKey(address)) {
        throw new LatheException("no encoding was chosen for " + source.name(address));
      }
    }
  }
}
