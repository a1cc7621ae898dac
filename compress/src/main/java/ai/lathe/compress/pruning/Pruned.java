package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.ColumnSweep;
import ai.lathe.compress.quantization.InverseFactors;
import ai.lathe.compress.quantization.MaskedQuantizer;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * A layer whose zeros are chosen: rounds and stores the weights that stay. Several levels of one
 * layer share the factorisation of its Gram matrix.
 */
public final class Pruned {

  /** From here on float16 rounds to infinity. */
  private static final float BEYOND_F16 = 65_520;

  private final Layer layer;
  private final LayerStatistics statistics;
  private InverseFactors factors;

  public Pruned(Layer layer, LayerStatistics statistics) {
    this.layer = layer;
    this.statistics = statistics;
  }

  /**
   * The layer's own weights where the mask keeps them.
   *
   * @param mask follows the pattern
   */
  public Solution solution(Mask mask, Pattern pattern, Kept kept) {
    return solution(layer.weight(), mask, pattern, kept);
  }

  /**
   * @param weight {@code [out, in]}; what it holds where the mask does not keep it is left out
   */
  public Solution solution(Matrix weight, Mask mask, Pattern pattern, Kept kept) {
    return switch (kept) {
      case Kept.Plain(DType type) -> new Solution(plain(weight, mask, pattern, type), List.of());
      case Kept.Rounded(var grid, var feedback) -> {
        var zeroed = masked(weight, mask);
        if (feedback.isEmpty()) {
          yield new Solution(stored(Rtn.round(zeroed, grid), mask, pattern), List.of());
        }
        if (factors == null) {
          factors = new InverseFactors(layer, statistics, "GPTQ");
        }
        var factor = factors.of(feedback.get());
        var sweep = new ColumnSweep(zeroed, factor, feedback.get());
        int size = grid.groupSize(weight.columns());
        var quantizer = new MaskedQuantizer(sweep.quantizer(), mask, size);
        sweep.run(quantizer, 0, weight.rows());
        yield new Solution(stored(quantizer.finish(), mask, pattern), factor.notes("GPTQ"));
      }
    };
  }

  private static Matrix masked(Matrix weight, Mask mask) {
    var zeroed = weight.copy();
    Parallel.forEach(
        weight.rows(),
        i -> {
          for (int j = 0; j < weight.columns(); j++) {
            if (!mask.keeps(i, j)) {
              zeroed.set(i, j, 0);
            }
          }
        });
    return zeroed;
  }

  private Sparse plain(Matrix weight, Mask mask, Pattern pattern, DType type) {
    var kept = new float[Math.toIntExact(mask.kept())];
    float limit = type == DType.F16 ? BEYOND_F16 : Float.POSITIVE_INFINITY;
    Parallel.forEach(
        weight.rows(),
        i -> {
          int at = (int) mask.keptBefore(i);
          for (int j = 0; j < weight.columns(); j++) {
            if (mask.keeps(i, j)) {
              float value = weight.at(i, j);
              if (!(Math.abs(value) < limit)) {
                throw new LatheException(
                    "layer %s: weight [%d, %d] became %s, which is beyond the range of %s"
                        .formatted(layer.name(), i, j, value, type));
              }
              kept[at++] = value;
            }
          }
        });
    long all = (long) weight.rows() * weight.columns();
    var encoding =
        Encoding.Sparse.withZeros(pattern, all - kept.length, all, new Encoding.Plain(type));
    var values = Tensor.ofFloats(kept, kept.length).to(type, Arena.ofAuto());
    return new Sparse(encoding, mask, new Sparse.Values.Floats(values));
  }

  /** Without its zeros, where there is a sparse form of such weights. */
  static LinearWeight stored(LinearWeight weight, Mask mask, Pattern pattern) {
    return switch (weight.encoding()) {
      case Encoding.Plain _, Encoding.Grouped _ -> Sparse.of(weight, mask, pattern);
      default -> weight;
    };
  }
}
