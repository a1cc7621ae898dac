package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * CoSpaDi: a dictionary learned by {@link KSvd}, where errors are those of outputs, and from which
 * each output takes as many atoms. {@code W T} is coded in the basis of its singular vectors, which
 * changes no length and needs no inverse of {@code T}.
 *
 * @see <a href="https://arxiv.org/abs/2509.22075">CoSpaDi, 2025</a>
 */
public final class CoSpaDi implements DictionaryMethod<CoSpaDi.Config> {

  static final double RATIO = 2;
  private static final int ITERATIONS = 60;
  private static final double TOLERANCE = 1e-3;

  private static final String RATIO_KEY = "ratio";
  private static final String ITERATIONS_KEY = "iterations";
  private static final String TOLERANCE_KEY = "tolerance";
  private static final String SEED = "seed";
  private static final String SECONDS_KEY = "seconds";
  private static final String GROUP_KEY = "group";

  private static final List<String> KEYS =
      List.of(
          RATIO_KEY, ITERATIONS_KEY, TOLERANCE_KEY, SEED, SECONDS_KEY, GROUP_KEY, Dampening.KEY);

  /**
   * @param ratio of atoms to those of an output
   * @param iterations at most
   * @param tolerance ends them where one takes less than this share off the squared error
   * @param seed of the order in which atoms are brought up to date
   * @param seconds that a matrix may take, its decomposition included, though each row is coded
   *     once in any case: another run then has another result. Infinite for no limit
   * @param dampening tokens of noise for each input, 0 for the calibration data alone
   * @param group with whom the layer shares its dictionary; empty where it has its own
   */
  public record Config(
      Removal removed,
      Factors factors,
      double ratio,
      int iterations,
      double tolerance,
      long seed,
      double seconds,
      double dampening,
      Optional<DictionaryGroup> group)
      implements DictionaryMethod.Config {

    public Config {
      DictionaryMethod.requireRatio(ratio);
      if (iterations < 1 || iterations > 100_000) {
        throw new LatheException(
            "CoSpaDi's iterations are from 1 to 100000 (60 is usual), not " + iterations);
      }
      if (!(tolerance >= 0 && tolerance < 1)) {
        throw new LatheException(
            "CoSpaDi's tolerance is from 0 up to, but not, 1 (0.001 is usual), not " + tolerance);
      }
      if (!(seconds >= 0)) {
        throw new LatheException(
            "CoSpaDi's seconds are 0 or more for each matrix, or left out for no limit, not "
                + seconds);
      }
    }

    /**
     * The same number of atoms in each row. The parameters of layers that share a dictionary are
     * counted together.
     */
    @Override
    public DictionarySize size(int rows, int columns) {
      var all = whole(rows, columns);
      return new DictionarySize(rows, columns, all.atoms(), all.kept() / members());
    }

    /** Of all layers that share the dictionary, one above the other. */
    DictionarySize whole(int rows, int columns) {
      int all = Math.multiplyExact(rows, members());
      return DictionaryMethod.Config.super.size(all, columns).even();
    }

    private int members() {
      return group.map(layers -> layers.layers().size()).orElse(1);
    }

    /** With the dictionary that was learned. */
    public Config in(Path file) {
      return with(group.orElseThrow().in(file));
    }

    private Config with(DictionaryGroup layers) {
      return new Config(
          removed,
          factors,
          ratio,
          iterations,
          tolerance,
          seed,
          seconds,
          dampening,
          Optional.of(layers));
    }
  }

  @Override
  public String name() {
    return "cospadi";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given = new Settings("CoSpaDi", settings, KEYS);
    group(settings);
    return new Config(
        removed,
        factors,
        given.number(RATIO_KEY, RATIO),
        given.integer(ITERATIONS_KEY, ITERATIONS),
        given.number(TOLERANCE_KEY, TOLERANCE),
        given.integer(SEED, 0),
        given.number(SECONDS_KEY, Double.POSITIVE_INFINITY),
        Dampening.of(given),
        Optional.empty());
  }

  @Override
  public int group(Map<String, ?> settings) {
    int group = new Settings("CoSpaDi", settings, KEYS).integer(GROUP_KEY, 1);
    if (group < 1) {
      throw new LatheException(
          "CoSpaDi's group is of 1 block or more that share a dictionary (1 is usual), not "
              + group);
    }
    return group;
  }

  @Override
  public Config sharing(Config config, List<String> layers, int index) {
    return config.with(new DictionaryGroup(layers, index, Optional.empty()));
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    var product = config.size(rows, columns).encoding(config.factors());
    return config
        .group()
        .filter(layers -> !layers.owns())
        .map(layers -> product.sharedWith(layers.owner()))
        .orElse(product);
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    var alone = levels.stream().filter(level -> level.group().isEmpty()).toList();
    var others =
        alone.isEmpty()
            ? List.<Solution>of()
            : DictionaryMethod.super.solve(layer, statistics, alone);
    var own = others.iterator();
    return levels.stream()
        .map(
            level ->
                level
                    .group()
                    .map(layers -> coded(layer, statistics, level, layers))
                    .orElseGet(own::next))
        .toList();
  }

  /** With a dictionary that stands fixed. */
  private Solution coded(
      Layer layer, LayerStatistics statistics, Config level, DictionaryGroup layers) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var seen = statistics.damped(level.dampening());
    var metric = DictionaryMethod.metric(seen);
    var weight = layer.weight();
    var size = level.size(weight.rows(), weight.columns());
    var dictionary = level.factors().store(layers.dictionary());
    int each = (int) (size.kept() / size.rows());
    var found = SharedDictionary.code(weight, dictionary.decode(), metric, each);
    var owner = layers.owns() ? Optional.<String>empty() : Optional.of(layers.owner());
    var inputs = level.factors().inputs(layer, seen, metric);
    var stored = level.factors().store(found, dictionary, owner, weight, inputs);
    return new Solution(stored, DictionaryMethod.unknown(seen));
  }

  @Override
  public Coder<Config> coder(Spectrum spectrum, long spent) {
    var target = target(spectrum);
    return (size, config, notes) -> learned(target, size, config, spent, notes);
  }

  /** {@code W T}, in rows of their own. */
  static double[][] target(Spectrum spectrum) {
    var coordinates = spectrum.coordinates();
    var target = new double[coordinates.rows()][coordinates.columns()];
    for (int i = 0; i < target.length; i++) {
      for (int j = 0; j < target[i].length; j++) {
        target[i][j] = coordinates.at(i, j);
      }
    }
    return target;
  }

  /** Begins with the singular vectors of the greatest values. */
  static Coefficients learned(
      double[][] target, DictionarySize size, Config config, long spent, List<String> notes) {
    long start = System.nanoTime() - spent;
    var dictionary = new double[size.atoms()][target[0].length];
    for (int k = 0; k < size.atoms(); k++) {
      dictionary[k][k] = 1;
    }
    int each = (int) (size.kept() / size.rows());
    var learner = new KSvd(target, dictionary, each, config.seed());
    if (Double.isFinite(config.seconds())) {
      learner.endBy(start + (long) (1e9 * Math.min(config.seconds(), 1e9)));
    }
    double before = Double.POSITIVE_INFINITY;
    for (int i = 0; i < config.iterations(); i++) {
      learner.iterate();
      if (learner.ended()) {
        notes.add(
            "ended by the limit of %s s in iteration %d of at most %d"
                .formatted(config.seconds(), i + 1, config.iterations()));
        break;
      }
      double error = learner.error();
      if (error == 0 || before - error < config.tolerance() * before) {
        break;
      }
      before = error;
    }
    return coefficients(learner.support(), learner.weights(), size.rows(), size.atoms(), each);
  }

  /** A row that uses fewer atoms than it may has zeros for some others. */
  static Coefficients coefficients(int[] support, double[] weights, int rows, int atoms, int each) {
    var values = Matrix.zeros(rows, atoms);
    int words = Math.ceilDiv(atoms, 64);
    var bits = new long[Math.multiplyExact(rows, words)];
    for (int i = 0; i < rows; i++) {
      int kept = 0;
      for (int n = i * each; n < (i + 1) * each && support[n] >= 0; n++) {
        int atom = support[n];
        values.set(i, atom, (float) weights[n]);
        bits[i * words + (atom >> 6)] |= 1L << atom;
        kept++;
      }
      for (int atom = 0; kept < each; atom++) {
        long bit = 1L << atom;
        if ((bits[i * words + (atom >> 6)] & bit) == 0) {
          bits[i * words + (atom >> 6)] |= bit;
          kept++;
        }
      }
    }
    return new Coefficients(values, new Mask(rows, atoms, bits));
  }
}
