package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A method that puts a matrix product operator in the place of a weight; what it has to say is how
 * indices are grouped. The bond dimension is the greatest that saves enough parameters.
 *
 * <p>In the metric of the squared norms {@code d} of the inputs it decomposes {@code W D^(1/2)} and
 * stores {@code D^(-1/2)} as one more factor, a diagonal: its numbers count.
 *
 * @param <C> its config
 */
interface CoreMethod<C extends CoreMethod.Config> extends FactorizationMethod<C> {

  /** Of the mean squared norm: inputs below weigh as much, so that their inverse stays small. */
  double LEAST = 1e-6;

  /** What the configs of these methods have in common. */
  interface Config extends ModeSweep.Level {

    Removal removed();

    /** Plain or diagonal. */
    @Override
    InputMetric metric();

    /** How indices are grouped. */
    Cores cores(int rows, int columns);

    /** The bond dimension; may be 0. */
    default int bond(int rows, int columns) {
      long diagonal = metric() == InputMetric.DIAGONAL ? columns : 0;
      var cores = cores(rows, columns);
      int most = cores.bond(removed().left(rows, columns) - diagonal);
      return factors().rank(most, cores.perBond());
    }
  }

  /** The metric if it is one of those. */
  static InputMetric metric(String method, InputMetric metric) {
    if (metric == InputMetric.BLOCKS) {
      throw new LatheException("%s's metric is plain or diagonal, not blocks".formatted(method));
    }
    return metric;
  }

  @Override
  default Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  default Set<Statistic> requires(C config) {
    return ModeSweep.requires(config);
  }

  @Override
  default Optional<String> refusal(int rows, int columns, C config) {
    var cores = config.cores(rows, columns);
    int bond = config.bond(rows, columns);
    if (bond < 1) {
      return Optional.of(
          "cores of %s x %s have more parameters than %.0f %% of a %d x %d matrix"
              .formatted(
                  cores.out(), cores.in(), 100 * (1 - config.removed().share()), rows, columns));
    }
    return cores.widest(cores.bonds(bond)) <= Integer.MAX_VALUE
        ? Optional.empty()
        : Optional.of("what lies between cores of bond dimension %d is too wide".formatted(bond));
  }

  @Override
  default Encoding.Product encoding(C config, int rows, int columns) {
    var cores = config.cores(rows, columns);
    int[] bonds = cores.bonds(config.bond(rows, columns));
    var factors = new ArrayList<>(cores.encodings(config.factors(), bonds));
    var inner = new ArrayList<>(cores.heights(bonds));
    if (config.metric() == InputMetric.DIAGONAL) {
      var numbers = config.factors().ofBlocks(1);
      factors.add(new Encoding.Mode(1, columns, false, columns > 1, numbers));
      inner.add(columns);
    }
    return new Encoding.Product(factors, inner);
  }

  @Override
  default List<Solution> solve(Layer layer, LayerStatistics statistics, List<C> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var solutions = new ArrayList<Solution>();
    for (var level : levels) {
      var notes = new ArrayList<String>();
      var seen = ModeSweep.seen(statistics, level);
      var known = level.metric().known(seen, name(), notes);
      var factors = new ArrayList<ModeMatrix>();
      var type = level.factors().type();
      var target = weight;
      if (level.metric() == InputMetric.DIAGONAL) {
        var diagonal = diagonal(known, seen, weight.columns(), type);
        target = divided(weight, diagonal.toFloats());
        var blocks = Tensor.ofFloats(diagonal.toFloats(), 1, weight.columns(), 1, 1);
        factors.add(new ModeMatrix(blocks, 1, weight.columns()));
      }
      var cores = level.cores(weight.rows(), weight.columns());
      var bonds = cores.bonds(level.bond(weight.rows(), weight.columns()));
      var chain = even(CoreChain.of(target, cores, bonds).cores());
      for (int k = cores.count() - 1; k >= 0; k--) {
        var block = Dense.of(chain.get(k)).tensor();
        factors.addFirst(ModeMatrix.shared(block, cores.outer(k), cores.inner(k)));
      }
      var product = ModeSweep.store(factors, weight, level, seen, notes);
      solutions.add(new Solution(product, List.copyOf(notes)));
    }
    return solutions;
  }

  /** {@code D^(-1/2)} as it is stored, of the mean 1 before it is inverted. */
  private static Tensor diagonal(
      InputMetric known, LayerStatistics statistics, int columns, DType type) {
    var values = new float[columns];
    if (known == InputMetric.DIAGONAL) {
      var squares = statistics.squaredNorm().orElseThrow();
      double mean = 0;
      for (float square : squares) {
        mean += (double) square / columns;
      }
      for (int j = 0; j < columns; j++) {
        double share = mean == 0 ? 1 : Math.max(squares[j] / mean, LEAST);
        values[j] = (float) (1 / Math.sqrt(share));
      }
    } else {
      Arrays.fill(values, 1);
    }
    return Tensor.ofFloats(values, columns).to(type, Arena.ofAuto());
  }

  private static Matrix divided(Matrix weight, float[] diagonal) {
    var result = weight.copy();
    for (int i = 0; i < result.values().length; i++) {
      result.values()[i] /= diagonal[i % diagonal.length];
    }
    return result;
  }

  /** The same product with cores of one size, which half precision holds best. */
  private static List<Matrix> even(List<Matrix> cores) {
    var sizes = cores.stream().mapToDouble(CoreMethod::size).toArray();
    double mean = 0;
    for (double size : sizes) {
      if (size == 0) {
        return cores;
      }
      mean += Math.log(size) / sizes.length;
    }
    var result = new ArrayList<Matrix>();
    for (int k = 0; k < sizes.length; k++) {
      var core = cores.get(k).copy();
      double factor = Math.exp(mean) / sizes[k];
      for (int i = 0; i < core.values().length; i++) {
        core.values()[i] = (float) (core.values()[i] * factor);
      }
      result.add(core);
    }
    return result;
  }

  /** Root of the mean square. */
  private static double size(Matrix core) {
    double sum = 0;
    for (float value : core.values()) {
      sum += (double) value * value;
    }
    return Math.sqrt(sum / core.values().length);
  }
}
