package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.HashMap;
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

    /** See {@link LayerStatistics#damped}. */
    double dampening();

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
    // One decomposition serves all levels.
    var coders = new HashMap<Double, Coder<C>>();
    var solutions = new ArrayList<Solution>();
    for (var level : levels) {
      var notes = new ArrayList<>(unknown(statistics));
      var seen = statistics.damped(level.dampening());
      var coder = coders.computeIfAbsent(level.dampening(), _ -> timed(weight, seen));
      var size = level.size(weight.rows(), weight.columns());
      var coefficients = coder.code(size, level, notes);
      var inputs = level.factors().inputs(layer, seen, metric(seen));
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
    var errors = new ArrayList<RelativeErrors>();
    for (int from = 0, to; from < levels.size(); from = to) {
      double dampening = levels.get(from).dampening();
      for (to = from + 1; to < levels.size() && levels.get(to).dampening() == dampening; ) {
        to++;
      }
      var sizes =
          levels.subList(from, to).stream()
              .map(level -> level.size(weight.rows(), weight.columns()))
              .toList();
      var spectrum = spectrum(weight, statistics.damped(dampening));
      errors.addAll(DictionaryProfile.errors(weight, spectrum, sizes));
    }
    return errors;
  }

  private Coder<C> timed(Matrix weight, LayerStatistics seen) {
    long start = System.nanoTime();
    var spectrum = spectrum(weight, seen);
    return coder(spectrum, System.nanoTime() - start);
  }

  /** What to say of a layer of whose inputs nothing is known. */
  static List<String> unknown(LayerStatistics seen) {
    return seen.gram().isPresent()
        ? List.of()
        : List.of("nothing is known of its inputs: errors of all weights count alike");
  }

  /**
   * Of {@code W} where errors count by what they change of the outputs, or by themselves where
   * nothing is known of the inputs.
   */
  static Spectrum spectrum(Matrix weight, LayerStatistics seen) {
    return Whitening.of(metric(seen), seen).spectrum(weight);
  }

  static Metric metric(LayerStatistics seen) {
    return seen.gram().<Metric>map(Metric.Full::new).orElse(Metric.PLAIN);
  }
}
