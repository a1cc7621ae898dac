package ai.lathe.compress.factorization;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;

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

  /**
   * @param ratio of atoms to those of an output
   * @param iterations at most
   * @param tolerance ends them where one takes less than this share off the squared error
   * @param seed of the order in which atoms are brought up to date
   * @param seconds that a matrix may take, its decomposition included, though each row is coded
   *     once in any case: another run then has another result. Infinite for no limit
   * @param dampening tokens of noise for each input, 0 for the calibration data alone
   */
  public record Config(
      Removal removed,
      Factors factors,
      double ratio,
      int iterations,
      double tolerance,
      long seed,
      double seconds,
      double dampening)
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

    /** The same number of atoms in each row. */
    @Override
    public DictionarySize size(int rows, int columns) {
      return DictionaryMethod.Config.super.size(rows, columns).even();
    }
  }

  @Override
  public String name() {
    return "cospadi";
  }

  @Override
  public Config config(Removal removed, Factors factors, Map<String, ?> settings) {
    var given =
        new Settings(
            "CoSpaDi",
            settings,
            List.of(RATIO_KEY, ITERATIONS_KEY, TOLERANCE_KEY, SEED, SECONDS_KEY, Dampening.KEY));
    return new Config(
        removed,
        factors,
        given.number(RATIO_KEY, RATIO),
        given.integer(ITERATIONS_KEY, ITERATIONS),
        given.number(TOLERANCE_KEY, TOLERANCE),
        given.integer(SEED, 0),
        given.number(SECONDS_KEY, Double.POSITIVE_INFINITY),
        Dampening.of(given));
  }

  @Override
  public Coder<Config> coder(Spectrum spectrum, long spent) {
    var coordinates = spectrum.coordinates();
    var target = new double[coordinates.rows()][coordinates.columns()];
    for (int i = 0; i < target.length; i++) {
      for (int j = 0; j < target[i].length; j++) {
        target[i][j] = coordinates.at(i, j);
      }
    }
    return (size, config, notes) -> learned(target, size, config, spent, notes);
  }

  /** Begins with the singular vectors of the greatest values. */
  private static Coefficients learned(
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
    return coefficients(learner, size.rows(), size.atoms(), each);
  }

  /** A row that uses fewer atoms than it may has zeros for some others. */
  private static Coefficients coefficients(KSvd learner, int rows, int atoms, int each) {
    var values = Matrix.zeros(rows, atoms);
    int words = Math.ceilDiv(atoms, 64);
    var bits = new long[Math.multiplyExact(rows, words)];
    for (int i = 0; i < rows; i++) {
      int kept = 0;
      for (int n = i * each; n < (i + 1) * each && learner.support()[n] >= 0; n++) {
        int atom = learner.support()[n];
        values.set(i, atom, (float) learner.weights()[n]);
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
