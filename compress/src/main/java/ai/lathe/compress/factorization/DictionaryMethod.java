package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A method that puts {@code C D} in the place of a weight: {@code k} atoms, the rows of {@code D},
 * of which each output uses {@code s}. A method finds {@code C} where errors count by what they
 * change of the outputs; {@code D} is then fitted to {@code C} as it is stored, by least squares,
 * which is best for the outputs and for the weights at once.
 *
 * @param <C> its config
 */
public interface DictionaryMethod<C extends DictionaryMethod.Config>
    extends FactorizationMethod<C> {

  /** Beyond it atoms are hardly used, and positions take more than values. */
  double MOST_RATIO = 16;

  /** What the configs of these methods have in common. */
  interface Config extends SolverConfig {

    Removal removed();

    Factors factors();

    /** {@code k / s}; 1 for a plain matrix of low rank. */
    double ratio();

    default DictionarySize size(int rows, int columns) {
      return DictionarySize.of(rows, columns, removed(), ratio(), factors());
    }
  }

  /** Throws {@link LatheException} where it is none. */
  static void requireRatio(double ratio) {
    if (!(ratio >= 1 && ratio <= MOST_RATIO)) {
      throw new LatheException(
          "the ratio of atoms to those that an output uses is from 1 to %.0f (2 is usual), not %s"
              .formatted(MOST_RATIO, ratio));
    }
  }

  /**
   * Finds {@code C} for one layer, at any level.
   *
   * @param <C> the method's config
   */
  @FunctionalInterface
  interface Coder<C> {

    /**
     * @param notes takes what is not as configured
     */
    Coefficients code(DictionarySize size, C config, List<String> notes);
  }

  /**
   * What all levels of a layer share is made here.
   *
   * @param spent nanoseconds that the decomposition took, for methods that have a limit of time
   */
  Coder<C> coder(Spectrum spectrum, long spent);

  @Override
  default Set<Statistic> requires() {
    return Set.of(Statistic.GRAM);
  }

  @Override
  default Optional<String> refusal(int rows, int columns, C config) {
    return config.size(rows, columns).usable()
        ? Optional.empty()
        : Optional.of(
            "a dictionary for a %d x %d matrix has more parameters than %.0f %% of its own"
                .formatted(rows, columns, 100 * (1 - config.removed().share())));
  }

  @Override
  default Encoding encoding(C config, int rows, int columns) {
    return config.size(rows, columns).encoding(config.factors());
  }

  @Override
  default List<Solution> solve(Layer layer, LayerStatistics statistics, List<C> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var unknown = new ArrayList<String>();
    // One decomposition serves all levels.
    var metric = metric(statistics, unknown);
    long start = System.nanoTime();
    var spectrum = Spectrum.of(weight, metric);
    var coder = coder(spectrum, System.nanoTime() - start);
    var solutions = new ArrayList<Solution>();
    for (var level : levels) {
      var notes = new ArrayList<>(unknown);
      var size = level.size(weight.rows(), weight.columns());
      var coefficients = coder.code(size, level, notes);
      var inputs = level.factors().inputs(layer, statistics, metric);
      solutions.add(new Solution(level.factors().store(coefficients, weight, inputs), notes));
    }
    return solutions;
  }

  /**
   * Of singular vectors, in closed form: for a dictionary that is learned, which loses less, a
   * bound that costs no learning.
   */
  @Override
  default List<RelativeErrors> errors(Layer layer, LayerStatistics statistics, List<C> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var spectrum = Spectrum.of(weight, metric(statistics, new ArrayList<>()));
    var sizes = levels.stream().map(level -> level.size(weight.rows(), weight.columns())).toList();
    return DictionaryProfile.errors(weight, spectrum, sizes);
  }

  /** Of the outputs, where inputs are known. */
  private Metric metric(LayerStatistics statistics, List<String> notes) {
    if (statistics.gram().isEmpty()) {
      notes.add("nothing is known of its inputs: errors of all weights count alike");
      return Metric.PLAIN;
    }
    return new Metric.Full(statistics.gram().get());
  }
}
