package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import java.util.Optional;
import java.util.Set;

/** How the weights that stay are stored. */
public sealed interface Kept {

  /** In floating point. */
  record Plain(DType type) implements Kept {
    @Override
    public Encoding encoding() {
      return new Encoding.Plain(type);
    }

    @Override
    public Set<Statistic> requires() {
      return Set.of();
    }
  }

  /**
   * On a grid.
   *
   * @param feedback GPTQ's way of making up for rounding; empty to round each weight to nearest
   */
  record Rounded(Grid grid, Optional<Gptq.Config> feedback) implements Kept {
    @Override
    public Encoding encoding() {
      return grid.encoding();
    }

    @Override
    public Set<Statistic> requires() {
      return feedback.isPresent() ? Set.of(Statistic.GRAM) : Set.of();
    }
  }

  /** Of the matrix, were none of its weights zero. */
  Encoding encoding();

  /** What must be known of the layer's input to round the weights. */
  Set<Statistic> requires();

  /** Of a pruned matrix; one whose values cannot be stored sparsely holds its zeros as values. */
  default Encoding encoding(Sparsity sparsity, long zeros, int rows, int columns) {
    boolean sparse =
        encoding() instanceof Encoding.Plain
            || encoding() instanceof Encoding.Grouped(_, _, boolean index) && !index;
    return sparse
        ? Encoding.Sparse.withZeros(sparsity.pattern(), zeros, (long) rows * columns, encoding())
        : encoding();
  }
}
