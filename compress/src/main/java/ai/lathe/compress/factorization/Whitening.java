package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import java.lang.ref.SoftReference;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * What decompositions need of inputs, computed once: the root of their Gram matrix for all matrices
 * that read them, and the {@link Spectrum} of one matrix for all methods and levels.
 */
class Whitening {

  private final Metric metric;
  private double[] root;
  private SoftReference<Decomposed> last = new SoftReference<>(null);

  private record Decomposed(Matrix weight, Spectrum spectrum) {}

  Whitening(Metric metric) {
    this.metric = metric;
  }

  /**
   * The one of these inputs, where errors count by their Gram matrix; else one that nothing shares.
   */
  static Whitening of(Metric metric, LayerStatistics inputs) {
    boolean shared =
        metric instanceof Metric.Full(Matrix gram)
            && inputs.gram().filter(own -> own == gram).isPresent();
    return shared
        ? inputs.derived().get(Whitening.class, () -> new Whitening(metric))
        : new Whitening(metric);
  }

  Metric metric() {
    return metric;
  }

  /**
   * Of a matrix that reads these inputs. The last one is kept as long as there is memory, since one
   * layer is solved by several methods before the next; matrices are told apart by identity.
   */
  synchronized Spectrum spectrum(Matrix weight) {
    var made = last.get();
    if (made == null || made.weight() != weight) {
      made = new Decomposed(weight, decompose(weight));
      last = new SoftReference<>(made);
    }
    return made.spectrum();
  }

  /** {@code T [in, in]} with {@code T T^T = H} for the Gram matrix {@code H} of these inputs. */
  synchronized Tensor root(Matrix gram) {
    if (root == null) {
      root = factor(gram);
    }
    return Doubles.of(root, gram.rows(), gram.rows());
  }

  /** Computes what {@link #spectrum} keeps. */
  Spectrum decompose(Matrix weight) {
    return Spectrum.of(weight, this);
  }

  /** Computes what {@link #root} keeps. */
  double[] factor(Matrix gram) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      return Doubles.array(Doubles.root(Doubles.of(gram)));
    }
  }
}
