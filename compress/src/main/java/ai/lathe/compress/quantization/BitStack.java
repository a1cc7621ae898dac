package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.linalg.TruncatedSvd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * BitStack: a weight as a sum of blocks of about one bit, each the signs of what the blocks before
 * it leave, times the best matrix of low rank to its absolute values. Any first blocks are a weight
 * too.
 *
 * <pre>
 *   R_0 = W diag(s)      |R_i| = U S V^T + ...      R_{i+1} = R_i - sgn(R_i) * (U_k S_k V_k^T)
 * </pre>
 *
 * <p>Inputs that are larger count for more: {@code s_j = ||X_j||}. The paper divides the inputs by
 * {@code s} in the layer before. But signs do not change with a positive scale, so {@code 1/s} goes
 * into {@code V^T} instead, at no cost and for any layer. The residual is formed from the factors
 * as they are stored, in float16, so that later blocks make up for their rounding.
 *
 * @see <a href="https://arxiv.org/abs/2410.23918">Wang et al., BitStack, 2024</a>
 */
public final class BitStack implements QuantizationMethod<BitStack.Config> {

  /** What recipes may set. */
  public static final List<String> SETTINGS = List.of("iterations", "k");

  private static final int SUBSPACE_ITERATIONS = 6;
  private static final int MOST = 64;

  /** The least scale, as a share of their mean: inputs that were always zero keep their weights. */
  private static final double LEAST = 1e-3;

  /**
   * @param iterations blocks
   * @param rank of the absolute values, {@code k}
   */
  public record Config(int iterations, int rank) implements SolverConfig {

    public Config {
      if (iterations < 1 || iterations > MOST) {
        throw new LatheException(
            "BitStack's iterations are from 1 to %d (16 is usual), not %d"
                .formatted(MOST, iterations));
      }
      if (rank < 1) {
        throw new LatheException("BitStack's k is at least 1 (16 is usual), not " + rank);
      }
    }

    Encoding encoding() {
      return new Encoding.Sum(Collections.nCopies(iterations, new Encoding.SignedLowRank(rank)));
    }
  }

  @Override
  public String name() {
    return "bitstack";
  }

  /** The grid is of no consequence: a block has a bit a weight, whatever the scheme. */
  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    var given = new Settings("BitStack", settings, SETTINGS);
    return new Config(given.integer("iterations", 16), given.integer("k", 16));
  }

  @Override
  public Encoding encoding(Grid grid, Config config) {
    return config.encoding();
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.rank() <= Math.min(rows, columns)
        ? Optional.empty()
        : Optional.of("a %d x %d matrix has no rank of %d".formatted(rows, columns, config.rank()));
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of(Statistic.INPUT_SQUARED_NORM);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    int n = layer.weight().columns();
    var notes = new ArrayList<String>();
    if (statistics.squaredNorm().isEmpty()) {
      notes.add("nothing is known of its inputs: all count alike");
    }
    var scale = scale(statistics.squaredNorm(), n);
    return levels.stream()
        .map(level -> new Solution(decompose(layer.weight(), scale, level), notes))
        .toList();
  }

  /** {@code s}, with a mean of 1. */
  private static float[] scale(Optional<float[]> squaredNorm, int n) {
    var scale = new float[n];
    java.util.Arrays.fill(scale, 1);
    squaredNorm.ifPresent(
        squares -> {
          double mean = 0;
          for (float square : squares) {
            mean += Math.sqrt(square) / n;
          }
          for (int j = 0; j < n && mean > 0; j++) {
            scale[j] = (float) Math.max(LEAST, Math.sqrt(squares[j]) / mean);
          }
        });
    return scale;
  }

  private static LinearWeight decompose(Matrix weight, float[] scale, Config config) {
    var residual = weight.copy();
    int n = weight.columns();
    for (int i = 0; i < residual.values().length; i++) {
      residual.values()[i] *= scale[i % n];
    }
    var blocks = new ArrayList<LinearWeight>();
    for (int i = 0; i < config.iterations(); i++) {
      var block = block(residual, scale, config.rank());
      blocks.add(block);
      var row = new float[n];
      for (int r = 0; r < weight.rows(); r++) {
        block.decodeRows(r, r + 1, row, 0);
        for (int j = 0; j < n; j++) {
          residual.values()[r * n + j] -= row[j] * scale[j];
        }
      }
    }
    return new Sum(blocks);
  }

  private static SignedLowRank block(Matrix residual, float[] scale, int rank) {
    int rows = residual.rows();
    int n = residual.columns();
    var signs = MemorySegment.ofArray(new byte[(int) Math.ceilDiv((long) rows * n, 8L)]);
    var sizes = Matrix.zeros(rows, n);
    for (int i = 0; i < sizes.values().length; i++) {
      float value = residual.values()[i];
      sizes.values()[i] = Math.abs(value);
      if (value >= 0) {
        byte bits = signs.get(ValueLayout.JAVA_BYTE, i >> 3);
        signs.set(ValueLayout.JAVA_BYTE, i >> 3, (byte) (bits | 0x80 >> (i & 7)));
      }
    }
    var svd = TruncatedSvd.of(sizes, rank, SUBSPACE_ITERATIONS);
    var u = svd.u().copy();
    var vt = svd.vt().copy();
    for (int k = 0; k < rank; k++) {
      float root = (float) Math.sqrt(svd.s()[k]);
      for (int r = 0; r < rows; r++) {
        u.values()[r * rank + k] *= root;
      }
      for (int j = 0; j < n; j++) {
        vt.values()[k * n + j] *= root / scale[j];
      }
    }
    return new SignedLowRank(rows, n, signs, half(u), half(vt));
  }

  private static Tensor half(Matrix matrix) {
    return Tensor.ofFloats(matrix.values(), matrix.rows(), matrix.columns())
        .to(DType.F16, Arena.ofAuto());
  }
}
