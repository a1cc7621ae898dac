package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model on disk, in any format: its tensors by role. Weights are mapped; nothing is read before
 * it is asked for. Rows are in Hugging Face's order whatever the file's.
 */
public interface Checkpoint extends AutoCloseable {

  Architecture architecture();

  ModelConfig config();

  /** Empty where the model has none; commands that need one say so. */
  Optional<Tokenizer> tokenizer();

  /** Every tensor that the model has, in order of execution. A tied output is not among them. */
  List<Address> addresses();

  /** A matrix in the form it is stored in. A tied output gives the token embedding. */
  LinearWeight matrix(Address address);

  /** A norm's weight or a bias, {@code [n]}; empty where the model has no such vector. */
  Optional<Tensor> vector(Address address);

  /**
   * What a file of this format calls it, for reports, for example {@code
   * model.layers.0.self_attn.q_proj}.
   */
  String name(Address address);

  /**
   * The files that Hugging Face tools expect beside the weights, by name, {@code config.json}
   * excluded: {@code tokenizer.json} and its kin. Made up from the model's own vocabulary where the
   * format keeps it elsewhere.
   */
  default Map<String, byte[]> companions() {
    return Map.of();
  }

  /** How an encoder's states become a text's embedding. */
  default Pooling pooling() {
    return Pooling.of(companions());
  }

  /** Exact bytes of the model's own files: weights, headers, configuration and tokenizer. */
  long bytes();

  /**
   * Short description of the format, for example {@code safetensors (compressed-tensors
   * pack-quantized)}.
   */
  String format();

  @Override
  void close();

  /**
   * Lets go of the memory that a block's mapped weights have come to occupy; they stay readable. A
   * pass over a model that does this for each block holds one of them, not all.
   */
  default void release(int block) {}

  default LinearWeight matrix(int block, Role role) {
    return matrix(Address.weight(block, role));
  }
}
