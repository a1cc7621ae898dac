package ai.lathe.compress.layer;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Statistics of a layer's input, shared by all layers that read the same input.
 *
 * @param tokens calibration tokens seen; 0 without calibration
 * @param gram {@code H = X X^T [in, in]}, undamped; empty where no solver asked for it
 * @param squaredNorm {@code [in]}, the diagonal of {@code H}; empty where nobody asked for any
 *     statistic
 * @param range of each input; empty where nobody asked for it
 * @param magnitude {@code [in]}, the mean of {@code |x|}; empty where nobody asked for it
 * @param mean {@code [in]}, of {@code x}; empty where nobody asked for it
 * @param derived what solvers made of these and would make again
 */
public record LayerStatistics(
    long tokens,
    Optional<Matrix> gram,
    Optional<float[]> squaredNorm,
    Optional<Range> range,
    Optional<float[]> magnitude,
    Optional<float[]> mean,
    Derived derived) {

  public static final LayerStatistics NONE =
      new LayerStatistics(0, Optional.empty(), Optional.empty());

  /**
   * @param least {@code [in]}
   * @param greatest {@code [in]}
   */
  public record Range(float[] least, float[] greatest) {}

  /**
   * What is computed from statistics once: for all levels, all solvers, and all layers that share
   * an input.
   */
  public static final class Derived {

    private final Map<Class<?>, Object> made = new HashMap<>();

    /** The one of its type, made when it is first asked for. */
    public synchronized <T> T get(Class<T> type, Supplier<T> make) {
      return type.cast(made.computeIfAbsent(type, _ -> make.get()));
    }
  }

  public LayerStatistics(
      long tokens,
      Optional<Matrix> gram,
      Optional<float[]> squaredNorm,
      Optional<Range> range,
      Optional<float[]> magnitude,
      Optional<float[]> mean) {
    this(tokens, gram, squaredNorm, range, magnitude, mean, new Derived());
  }

  public LayerStatistics(long tokens, Optional<Matrix> gram, Optional<float[]> squaredNorm) {
    this(tokens, gram, squaredNorm, Optional.empty(), Optional.empty(), Optional.empty());
  }

  public static LayerStatistics of(long tokens, Matrix gram) {
    return new LayerStatistics(tokens, Optional.of(gram), Optional.of(diagonal(gram)));
  }

  /** The same with squared norms that are known from elsewhere, in whatever unit. */
  public LayerStatistics withSquaredNorm(float[] known) {
    return new LayerStatistics(tokens, gram, Optional.of(known), range, magnitude, mean);
  }

  /** Squared norm of each input, {@code [in]}. */
  public static float[] diagonal(Matrix gram) {
    var diagonal = new float[gram.rows()];
    for (int i = 0; i < diagonal.length; i++) {
      diagonal[i] = gram.at(i, i);
    }
    return diagonal;
  }

  /**
   * Those of the inputs {@code x_j / s_j}: {@code H} becomes {@code D^-1 H D^-1}.
   *
   * @param scales {@code s [in]}, positive
   */
  public LayerStatistics dividedBy(float[] scales) {
    var scaled =
        gram.map(
            h -> {
              var result = Matrix.zeros(h.rows(), h.columns());
              for (int i = 0; i < h.rows(); i++) {
                for (int j = 0; j < h.columns(); j++) {
                  // The product first: division by it is the same above and below the diagonal.
                  result.set(i, j, (float) (h.at(i, j) / ((double) scales[i] * scales[j])));
                }
              }
              return result;
            });
    return new LayerStatistics(
        tokens,
        scaled,
        squaredNorm.map(norm -> divided(divided(norm, scales), scales)),
        range.map(r -> new Range(divided(r.least(), scales), divided(r.greatest(), scales))),
        magnitude.map(sizes -> divided(sizes, scales)),
        mean.map(means -> divided(means, scales)));
  }

  /**
   * Those of the inputs without their mean {@code m}, {@code H - n m m^T}, made once; empty where
   * the Gram matrix or the mean is not known.
   */
  public Optional<LayerStatistics> centred() {
    return gram.isPresent() && mean.isPresent()
        ? Optional.of(derived.get(Centred.class, this::withoutMean).statistics())
        : Optional.empty();
  }

  /**
   * Those in which few tokens are trusted less: as if {@code c} times as many tokens as there are
   * inputs had been seen besides, in which inputs have nothing to do with each other and all have
   * the mean square. {@code H} becomes {@code H + c (in / tokens) mean(diag H) I}; made once.
   *
   * @param c 0 for these statistics as they are
   */
  public LayerStatistics damped(double c) {
    return c == 0 || gram.isEmpty() || tokens == 0
        ? this
        : derived.get(Damped.class, Damped::new).get(c, this);
  }

  /** Of each number of tokens that were asked for. */
  private static final class Damped {
    private final Map<Double, LayerStatistics> made = new HashMap<>();

    synchronized LayerStatistics get(double c, LayerStatistics of) {
      return made.computeIfAbsent(c, _ -> of.withNoise(c));
    }
  }

  private LayerStatistics withNoise(double c) {
    var h = gram.orElseThrow().copy();
    int n = h.rows();
    double sum = 0;
    for (int j = 0; j < n; j++) {
      sum += h.at(j, j);
    }
    // n / tokens of the mean of n.
    double added = c * sum / tokens;
    for (int j = 0; j < n; j++) {
      h.set(j, j, (float) (h.at(j, j) + added));
    }
    return of(tokens, h);
  }

  private record Centred(LayerStatistics statistics) {}

  private Centred withoutMean() {
    var h = gram.orElseThrow();
    var m = mean.orElseThrow();
    var rest = Matrix.zeros(h.rows(), h.columns());
    for (int i = 0; i < h.rows(); i++) {
      for (int j = 0; j < h.columns(); j++) {
        // The product of means first: the same above and below the diagonal.
        rest.set(i, j, (float) (h.at(i, j) - tokens * ((double) m[i] * m[j])));
      }
    }
    return new Centred(of(tokens, rest));
  }

  private static float[] divided(float[] values, float[] scales) {
    var result = new float[values.length];
    for (int j = 0; j < values.length; j++) {
      result[j] = values[j] / scales[j];
    }
    return result;
  }

  /** Those of {@code n} inputs of which nothing is known: {@code H = I}, and no token. */
  public static LayerStatistics identity(int n) {
    var gram = Matrix.zeros(n, n);
    for (int j = 0; j < n; j++) {
      gram.set(j, j, 1);
    }
    return of(0, gram);
  }

  /**
   * Throws {@link LatheException} naming the layer where an input was not a finite number, which
   * shows on the diagonal: {@code H_jj} is the sum of its squares.
   */
  public void requireFinite(String layer) {
    squaredNorm.ifPresent(diagonal -> requireFinite(layer, diagonal));
    magnitude.ifPresent(sizes -> requireFinite(layer, sizes));
    mean.ifPresent(means -> requireFinite(layer, means));
    range.ifPresent(
        r -> {
          requireFinite(layer, r.least());
          requireFinite(layer, r.greatest());
        });
  }

  private static void requireFinite(String layer, float[] values) {
    for (int j = 0; j < values.length; j++) {
      if (!Float.isFinite(values[j])) {
        throw new LatheException(
            "layer %s: input %d is NaN or infinite on some calibration token".formatted(layer, j));
      }
    }
  }
}
