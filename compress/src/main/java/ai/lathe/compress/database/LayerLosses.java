package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/** What a layer loses at its levels, by every measure that its input's statistics allow. */
final class LayerLosses {

  private static final int ROWS = 512;

  private final Matrix weight;
  private final Matrix gram;
  private final long tokens;
  private final Optional<float[]> fisher;
  private final Sums original;
  private final double outliers;

  /**
   * Squares summed.
   *
   * @param output {@code tr(D H D^T)}
   * @param weight {@code ||D||^2}
   * @param hessian {@code sum(D_ij^2 H_jj)}
   * @param fisher {@code sum(G_ii (D H D^T)_ii)}
   */
  private record Sums(double output, double weight, double hessian, double fisher) {}

  /**
   * @param weight {@code W [out, in]}
   * @param gram {@code H [in, in]}, symmetric
   * @param tokens that it is summed over
   * @param fisher mean squares of gradients by the outputs {@code [out]}, where there are any
   */
  LayerLosses(Matrix weight, Matrix gram, long tokens, Optional<float[]> fisher) {
    this.weight = weight;
    this.gram = gram;
    this.tokens = tokens;
    this.fisher = fisher;
    this.original = sums((_, _, _) -> {});
    this.outliers = outliers(weight, gram);
  }

  /** How many weights stand out, see {@link Measure#OUTLIERS}. */
  static long outliers(Matrix weight, Matrix gram) {
    int n = weight.columns();
    var norms = new double[n];
    Arrays.setAll(norms, j -> Math.sqrt(Math.max(0, gram.at(j, j))));
    double sum = 0;
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < n; j++) {
        sum += Math.abs(weight.at(i, j)) * norms[j];
      }
    }
    double limit = Measure.OUTLIER * sum / ((double) weight.rows() * n);
    long outliers = 0;
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < n; j++) {
        outliers += Math.abs(weight.at(i, j)) * norms[j] > limit ? 1 : 0;
      }
    }
    return outliers;
  }

  /** Takes something away from rows {@code [from, to)}. */
  private interface Subtrahend {
    void from(int from, int to, float[] rows);
  }

  /** Of a level. */
  Map<Measure, Double> of(LinearWeight level) {
    var decoder = level.rowDecoder();
    var lost =
        sums(
            (from, to, rows) -> {
              var decoded = new float[rows.length];
              decoder.decode(from, to, decoded, 0);
              for (int i = 0; i < rows.length; i++) {
                rows[i] -= decoded[i];
              }
            });
    var losses = new EnumMap<Measure, Double>(Measure.class);
    losses.put(Measure.OUTPUT, relative(lost.output, original.output));
    losses.put(Measure.WEIGHT, relative(lost.weight, original.weight));
    losses.put(Measure.HESSIAN, relative(lost.hessian, original.hessian));
    losses.put(Measure.OUTLIERS, outliers);
    if (fisher.isPresent()) {
      losses.put(Measure.FISHER, Math.max(0, lost.fisher / (2.0 * Math.max(1, tokens))));
    }
    return losses;
  }

  /** A layer that gives nothing loses nothing. Rounding may take a sum of squares below 0. */
  private static double relative(double lost, double total) {
    return total == 0 ? 0 : Math.max(0, lost / total);
  }

  private Sums sums(Subtrahend subtrahend) {
    int n = weight.columns();
    double output = 0;
    double squares = 0;
    double weighted = 0;
    double felt = 0;
    for (int from = 0; from < weight.rows(); from += ROWS) {
      int to = Math.min(from + ROWS, weight.rows());
      var d = new Matrix(to - from, n, Arrays.copyOfRange(weight.values(), from * n, to * n));
      subtrahend.from(from, to, d.values());
      var energies = OutputError.energies(d, gram);
      for (int i = 0; i < to - from; i++) {
        output += energies[i];
        felt += fisher.isPresent() ? energies[i] * fisher.get()[from + i] : 0;
        for (int j = 0; j < n; j++) {
          double square = (double) d.at(i, j) * d.at(i, j);
          squares += square;
          weighted += square * gram.at(j, j);
        }
      }
    }
    return new Sums(output, squares, weighted, felt);
  }
}
