package ai.lathe.torch;

import org.bytedeco.pytorch.Tensor;

/** Something summed over the tokens that go into a linear layer. */
public sealed interface InputStatistic extends AutoCloseable
    permits GramAccumulator, FeatureAccumulator {

  /**
   * Adds a batch. One with NaN or infinity is left out as a whole and counted as {@link #skipped}.
   *
   * @param input {@code [.., in]}
   * @param padding the leading dimensions of {@code input}, nonzero for real tokens; null where all
   *     are
   */
  void add(Tensor input, Tensor padding);

  /** Sum of squares of each input feature, {@code [in]}: the diagonal of the Gram matrix. */
  float[] squaredNorm();

  /** Tokens that were added. */
  long tokens();

  /** Batches that were left out. */
  int skipped();

  @Override
  void close();
}
