package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.tensor.linalg.Parallel;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * One dictionary for several layers of a shape: learned on the outputs of all together, where
 * errors count by the sum of their inputs' Gram matrices. Each layer is then coded with it for
 * itself, where errors count by its own.
 */
public final class SharedDictionary {

  /** Rows that one task codes. */
  private static final int CHUNK = 64;

  private SharedDictionary() {}

  /**
   * Learns {@code D [atoms, in]}, with rows of length 1.
   *
   * @param layers of one shape, as many as the config's group has
   * @param sum of the statistics of their inputs
   * @param notes takes what is not as configured
   */
  public static Matrix learn(
      List<Layer> layers, LayerStatistics sum, CoSpaDi.Config config, List<String> notes) {
    for (var layer : layers) {
      layer.requireFinite();
      sum.requireFinite(layer.name());
    }
    var stacked = stacked(layers);
    long start = System.nanoTime();
    var spectrum = DictionaryMethod.spectrum(stacked, sum.damped(config.dampening()));
    var target = CoSpaDi.target(spectrum);
    var first = layers.getFirst().weight();
    var size = config.whole(first.rows(), first.columns());
    var found = CoSpaDi.learned(target, size, config, System.nanoTime() - start, notes);
    return unit(Doubles.leastSquares(found.values(), stacked));
  }

  private static Matrix stacked(List<Layer> layers) {
    var first = layers.getFirst().weight();
    var all = Matrix.zeros(Math.multiplyExact(layers.size(), first.rows()), first.columns());
    int at = 0;
    for (var layer : layers) {
      var own = layer.weight();
      if (own.rows() != first.rows() || own.columns() != first.columns()) {
        throw new LatheException(
            "%s is %d x %d and shares no dictionary with a matrix of %d x %d"
                .formatted(layer.name(), own.rows(), own.columns(), first.rows(), first.columns()));
      }
      System.arraycopy(own.values(), 0, all.values(), at, own.values().length);
      at += own.values().length;
    }
    return all;
  }

  private static Matrix unit(Matrix rows) {
    var result = rows.copy();
    for (int k = 0; k < rows.rows(); k++) {
      double squares = 0;
      for (int j = 0; j < rows.columns(); j++) {
        squares += (double) rows.at(k, j) * rows.at(k, j);
      }
      for (int j = 0; j < rows.columns() && squares > 0; j++) {
        result.set(k, j, (float) (rows.at(k, j) / Math.sqrt(squares)));
      }
    }
    return result;
  }

  /**
   * The best {@code C} that orthogonal matching pursuit finds for {@code W} with these atoms.
   *
   * @param dictionary {@code D [atoms, in]} as it is stored
   * @param each atoms of a row
   */
  static Coefficients code(Matrix weight, Matrix dictionary, Metric metric, int each) {
    int atoms = dictionary.rows();
    double[] gram;
    double[] products;
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var d = Doubles.of(dictionary);
      var weighted = Spectrum.weighted(d, metric);
      gram = Doubles.array(weighted.mm(d.t()));
      products = Doubles.array(Doubles.of(weight).mm(weighted.t()));
    }
    var lengths = new double[atoms];
    for (int k = 0; k < atoms; k++) {
      double square = gram[k * atoms + k];
      // An atom that no input reaches: no row goes along it.
      lengths[k] = square > 0 ? Math.sqrt(square) : 1;
    }
    for (int n = 0; n < gram.length; n++) {
      gram[n] /= lengths[n / atoms] * lengths[n % atoms];
    }
    for (int n = 0; n < products.length; n++) {
      products[n] /= lengths[n % atoms];
    }
    var support = new int[weight.rows() * each];
    var weights = new double[weight.rows() * each];
    Parallel.forEach(
        Math.ceilDiv(weight.rows(), CHUNK),
        chunk -> {
          var pursuit = new OrthogonalPursuit(gram, atoms, each);
          for (int i = chunk * CHUNK; i < Math.min(weight.rows(), (chunk + 1) * CHUNK); i++) {
            int count = pursuit.code(products, i * atoms);
            for (int n = 0; n < each; n++) {
              int atom = n < count ? pursuit.support()[n] : -1;
              support[i * each + n] = atom;
              weights[i * each + n] = n < count ? pursuit.weights()[n] / lengths[atom] : 0;
            }
          }
        });
    return CoSpaDi.coefficients(support, weights, weight.rows(), atoms, each);
  }
}
