package ai.lathe.compress.factorization;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.torch.Torch;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * What ROCKET loses of one layer at each removal and ratio: what an allocation over layers chooses
 * from.
 *
 * <p>No dictionary is formed. With {@code C^T C = T T^T} and {@code Z = T^-1 C^T}, the best one
 * leaves {@code ||A||^2 - ||Z A||^2} of {@code A}: of the outputs for {@code A = W T}, of the
 * weights for {@code A = W}, of both by the same {@code Z}.
 */
public record DictionaryProfile(List<Point> points) {

  /** 1.0 to 3.0. */
  static final List<Double> RATIOS = IntStream.rangeClosed(10, 30).mapToObj(i -> i / 10.0).toList();

  /**
   * @param size of the factors
   * @param outputError {@code ||(W - C D) X|| / ||W X||}
   * @param weightError {@code ||W - C D|| / ||W||}, by which ROCKET's own allocation chooses
   */
  public record Point(
      double removed, double ratio, DictionarySize size, double outputError, double weightError) {}

  /** The ratio of least output error at a removal of the grid. */
  public Point best(double removed) {
    return points.stream()
        .filter(point -> point.removed() == removed)
        .min(Comparator.comparingDouble(Point::outputError))
        .orElseThrow(() -> new LatheException("removal " + removed + " was not profiled"));
  }

  /** A size for which a layer is too small is left out. */
  static DictionaryProfile of(
      Matrix weight, Spectrum spectrum, List<Double> removals, List<Double> ratios) {
    var asked = new ArrayList<Point>();
    for (double removed : removals) {
      for (double ratio : ratios) {
        var size =
            DictionarySize.of(
                weight.rows(),
                weight.columns(),
                new Removal(removed),
                ratio,
                Factors.plain(DType.F32));
        if (size.usable()) {
          asked.add(new Point(removed, ratio, size, Double.NaN, Double.NaN));
        }
      }
    }
    var errors = errors(weight, spectrum, asked.stream().map(Point::size).toList());
    var points = new ArrayList<Point>();
    for (int i = 0; i < errors.size(); i++) {
      var point = asked.get(i);
      var lost = errors.get(i);
      points.add(
          new Point(point.removed(), point.ratio(), point.size(), lost.output(), lost.weight()));
    }
    return new DictionaryProfile(points);
  }

  /** What is lost at each of these sizes; one that stands there several times is looked at once. */
  static List<RelativeErrors> errors(Matrix weight, Spectrum spectrum, List<DictionarySize> asked) {
    var sizes = List.copyOf(new LinkedHashSet<>(asked));
    var basis = new RocketBasis(spectrum);
    var errors = new RelativeErrors[sizes.size()];
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var targets = new Targets(Doubles.of(basis.coordinates()), Doubles.of(weight));
      // Points are independent: threads that have one each need not wait for each other.
      Torch.oneThreadAProduct(
          () -> {
            Parallel.forEach(
                errors.length, i -> errors[i] = measured(sizes.get(i), basis, targets));
            return errors;
          });
    }
    return asked.stream().map(size -> errors[sizes.indexOf(size)]).toList();
  }

  private static RelativeErrors measured(DictionarySize size, RocketBasis basis, Targets targets) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var c = Doubles.of(basis.sparsified(size).values());
      var unit = c.mul(Doubles.reciprocalNorms(c));
      var root = Doubles.innerRoot(unit);
      var z = torch.linalg_solve_triangular(root, unit.t(), false, true, false);
      var errors = targets.errors(z);
      return new RelativeErrors(errors[0], errors[1]);
    }
  }

  /**
   * {@code sqrt(1 - ||Z A||^2 / ||A||^2)}, for several {@code A}: of the products {@code Z A}, or,
   * where that takes fewer operations, of {@code Z^T Z} and {@code A A^T}.
   */
  private static final class Targets {

    private final List<Tensor> targets;
    private final double[] energies;
    private final boolean projected;

    Targets(Tensor... matrices) {
      long rows = matrices[0].size(0);
      this.energies = Stream.of(matrices).mapToDouble(Targets::energy).toArray();
      this.projected = rows <= Stream.of(matrices).mapToLong(a -> a.size(1)).sum();
      this.targets = Stream.of(matrices).map(a -> projected ? a.mm(a.t()) : a).toList();
    }

    double[] errors(Tensor z) {
      var projection = projected ? z.t().mm(z) : z;
      var errors = new double[energies.length];
      for (int i = 0; i < errors.length; i++) {
        double explained =
            projected ? product(projection, targets.get(i)) : energy(z.mm(targets.get(i)));
        // What gives nothing loses nothing.
        double left = energies[i] == 0 ? 0 : 1 - explained / energies[i];
        errors[i] = Math.sqrt(Math.max(0, left));
      }
      return errors;
    }

    private static double energy(Tensor a) {
      return product(a, a);
    }

    /** Of all elements. */
    private static double product(Tensor a, Tensor b) {
      return torch.dot(a.flatten(), b.flatten()).item_double();
    }
  }
}
