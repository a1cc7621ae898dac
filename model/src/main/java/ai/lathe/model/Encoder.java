package ai.lathe.model;

import ai.lathe.tensor.Matrix;
import java.util.List;

/** Tokens to hidden states of the last layer. Implemented by executors, used by evaluation. */
public interface Encoder extends AutoCloseable {

  int hiddenSize();

  /** Most tokens of one sequence. */
  int contextLength();

  /**
   * For each sequence, {@code [tokens, hidden]}. Sequences may differ in length; padding never
   * leaks into a result.
   */
  List<Matrix> encode(List<int[]> sequences);

  @Override
  void close();
}
