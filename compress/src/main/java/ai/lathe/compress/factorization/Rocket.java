package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * ROCKET: a sparse combination of singular vectors. More of them than a matrix of low rank could
 * have, of which each output uses those that matter to it; then the vectors are fitted once, in
 * closed form, to what is left of the coefficients.
 *
 * @see <a href="https://arxiv.org/abs/2602.11008">ROCKET, 2026</a>
 */
public final class Rocket implements DictionaryMethod<Rocket.Config> {

  /** Near the best of every layer and removal in docs/factorization.md. */
  static final double RATIO = 2;

  private static final String RATIO_KEY = "ratio";
  private static final String REFINE = "refine";
  private static final String RATE = "learning_rate";

  /**
   * @param ratio of atoms to those that an output uses, see {@link DictionarySize}
   * @param steps of Adam on both factors afterwards; 0, and no iteration, is what the method is
   * @param rate of these steps, of numbers of about the size of the dictionary's own
   * @param dampening tokens of noise for each input, 0 for the calibration data alone
   */
  public record Config(
      Removal removed, Factors factors, double ratio, int steps, double rate, double dampening)
      implements DictionaryMethod.Config {

    public Config {
      DictionaryMethod.requireRatio(ratio);
      if (steps < 0 || steps > 100_000) {
        throw new LatheException(
            "ROCKET's refine is a number of steps from 0 to 100000 (100 is usual), not " + steps);
      }
      if (!(rate > 0 && rate <= 1)) {
        throw new LatheException(
            "ROCKET's learning_rate is above 0, at most 1 (0.001 is usual), not " + rate);
      }
    }
  }

  @Override
  public String name() {
    return "rocket";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("ROCKET", settings, List.of(RATIO_KEY, REFINE, RATE, Dampening.KEY));
    return new Config(
        removed,
        factors,
        given.number(RATIO_KEY, RATIO),
        given.integer(REFINE, 0),
        given.number(RATE, 1e-3),
        Dampening.of(given));
  }

  @Override
  public Coder<Config> coder(Spectrum spectrum, long spent) {
    var basis = new RocketBasis(spectrum);
    return (size, config, notes) -> coded(basis, size, config, notes);
  }

  private static Coefficients coded(
      RocketBasis basis, DictionarySize size, Config config, List<String> notes) {
    var coefficients = basis.sparsified(size);
    if (config.steps() == 0) {
      return coefficients;
    }
    var refined = Refinement.of(coefficients, basis.coordinates(), config.steps(), config.rate());
    notes.add(
        "refined by %d steps of Adam: relative output error %.4g, %.4g before"
            .formatted(config.steps(), refined.after(), refined.before()));
    return refined.coefficients();
  }

  /** As it was published. */
  @Override
  public String allocator() {
    return RemovalKnapsack.NAME;
  }

  /** The ratios of the profile. */
  @Override
  public List<Map<String, Object>> alternatives(Map<String, Object> settings) {
    if (settings.containsKey(RATIO_KEY)) {
      return List.of(settings);
    }
    var alternatives = new ArrayList<Map<String, Object>>();
    for (double ratio : DictionaryProfile.RATIOS) {
      var one = new LinkedHashMap<>(settings);
      one.put(RATIO_KEY, ratio);
      alternatives.add(one);
    }
    return alternatives;
  }

  /** Errors of one layer at every removal and ratio of a grid, from one decomposition. */
  public DictionaryProfile profile(Layer layer, LayerStatistics statistics) {
    return profile(layer, statistics, Removal.GRID, DictionaryProfile.RATIOS);
  }

  public DictionaryProfile profile(
      Layer layer, LayerStatistics statistics, List<Double> removals, List<Double> ratios) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var weight = layer.weight();
    var spectrum = DictionaryMethod.spectrum(weight, statistics.damped(Dampening.USUAL));
    return DictionaryProfile.of(weight, spectrum, removals, ratios);
  }
}
