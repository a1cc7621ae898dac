package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Optional;

/**
 * A method that puts {@code B A} of rank {@code r} in the place of a weight: the nearest of its
 * rank, where all that it has to say is what an error weighs. The rank is the greatest that saves
 * enough, {@code r = floor(p out in / (out + in))} for a share {@code p} of parameters that stay.
 *
 * <p>{@code A} is fitted to {@code B} as it is stored, by least squares under the same metric: what
 * SVD-LLM calls its closed-form update.
 *
 * @param <C> its config
 */
public interface LowRankMethod<C extends LowRankMethod.Config> extends FactorizationMethod<C> {

  /** What the configs of these methods have in common. */
  interface Config extends SolverConfig {

    Removal removed();

    Factors factors();

    /** See {@link LayerStatistics#damped}. */
    default double dampening() {
      return 0;
    }

    default int rank(int rows, int columns) {
      return factors().rank(removed().rank(rows, columns));
    }
  }

  /**
   * What an error weighs.
   *
   * @param notes takes what is not as configured
   */
  Metric metric(Layer layer, LayerStatistics statistics, C config, List<String> notes);

  @Override
  default Optional<String> refusal(int rows, int columns, C config) {
    return config.rank(rows, columns) >= 1
        ? Optional.empty()
        : Optional.of(
            "a %d x %d matrix of rank 1 has more parameters than %.0f %% of its own"
                .formatted(rows, columns, 100 * (1 - config.removed().share())));
  }

  @Override
  default Encoding encoding(C config, int rows, int columns) {
    return config.factors().encoding(columns, config.rank(rows, columns));
  }

  @Override
  default List<Solution> solve(Layer layer, LayerStatistics statistics, List<C> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var notes = new ArrayList<String>();
    // One decomposition serves all ranks.
    var spectra = new HashMap<Metric, Spectrum>();
    var solutions = new ArrayList<Solution>();
    for (var level : levels) {
      notes.clear();
      var seen = statistics.damped(level.dampening());
      var metric = metric(layer, seen, level, notes);
      var spectrum =
          spectra.computeIfAbsent(metric, key -> Whitening.of(key, seen).spectrum(weight));
      var fit = spectrum.truncated(level.rank(weight.rows(), weight.columns()));
      var inputs = level.factors().inputs(layer, seen, metric);
      solutions.add(new Solution(level.factors().store(fit, weight, inputs), List.copyOf(notes)));
    }
    return solutions;
  }
}
