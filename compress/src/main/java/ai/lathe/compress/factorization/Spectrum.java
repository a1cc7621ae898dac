package ai.lathe.compress.factorization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.LowRankFit;
import ai.lathe.tensor.linalg.LowRankFit.Metric;
import ai.lathe.torch.Torch;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * All singular values of {@code W T} with {@code H = T T^T}, and the left vectors: every truncation
 * of a layer from one decomposition in float64. Where {@code LowRankFit} iterates for a few of
 * them, this has them all, exactly.
 *
 * <p>Of the two symmetric matrices that have these values, {@code W H W^T [out, out]} and {@code
 * T^T W^T W T [in, in]}, the smaller one is decomposed.
 *
 * @param u {@code [out, p]} with {@code p = min(out, in)}, orthonormal columns; those of values
 *     that are zero may be zero
 * @param s {@code [p]}, descending: dropping the k-th costs exactly {@code s_k} in {@code ||(W - B
 *     A) T||}
 * @param right {@code U^T W [p, in]}
 */
public record Spectrum(Matrix u, double[] s, Matrix right) {

  /** Beyond this a singular value is rounding. */
  private static final double ZERO = 1e-12;

  public static Spectrum of(Matrix w, Metric metric) {
    return of(w, new Whitening(metric));
  }

  static Spectrum of(Matrix w, Whitening inputs) {
    var metric = inputs.metric();
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var weight = Doubles.of(w);
      var u = w.rows() <= w.columns() ? ofOutputs(weight, metric) : ofInputs(weight, inputs);
      // The values again, from the vectors: what eigh leaves of small ones is their square's.
      var right = u.t().mm(weight);
      var s = weighted(right, metric).mul(right).sum(1).clamp_min(Doubles.scalar(0)).sqrt();
      return new Spectrum(Doubles.matrix(u), Doubles.array(s), Doubles.matrix(right));
    }
  }

  /** The nearest matrix of a lower rank. */
  public LowRankFit truncated(int rank) {
    var left = Matrix.zeros(u.rows(), rank);
    for (int i = 0; i < u.rows(); i++) {
      System.arraycopy(u.values(), i * u.columns(), left.values(), i * rank, rank);
    }
    var below = Matrix.zeros(rank, right.columns());
    System.arraycopy(right.values(), 0, below.values(), 0, below.values().length);
    return new LowRankFit(left, Arrays.copyOf(s, rank), below);
  }

  /**
   * {@code W T} in the basis of its right vectors, which changes no length: {@code U S [out, p]}.
   */
  Matrix coordinates() {
    var scaled = u.copy();
    for (int i = 0; i < scaled.values().length; i++) {
      scaled.values()[i] *= (float) s[i % s.length];
    }
    return scaled;
  }

  /** Eigenvectors of {@code W H W^T}. */
  private static Tensor ofOutputs(Tensor w, Metric metric) {
    return descendingVectors(weighted(w, metric).mm(w.t()));
  }

  /** {@code U = W T V / S} for the eigenvectors {@code V} of {@code T^T W^T W T}. */
  private static Tensor ofInputs(Tensor w, Whitening inputs) {
    var a =
        switch (inputs.metric()) {
          case Metric.Plain _ -> w;
          case Metric.Diagonal(float[] squares) ->
              w.mul(Torch.ofFloats(squares, 1, squares.length).to(ScalarType.Double).sqrt());
          case Metric.Full(Matrix gram) -> w.mm(inputs.root(gram));
        };
    var b = a.mm(descendingVectors(a.t().mm(a)));
    var norms = b.mul(b).sum(0).sqrt();
    var least = norms.max().mul(Doubles.scalar(ZERO));
    var factors = torch.where(norms.gt(least), norms.reciprocal(), torch.zeros_like(norms));
    return b.mul(factors);
  }

  /** Columns belong to eigenvalues in descending order. */
  private static Tensor descendingVectors(Tensor symmetric) {
    var pair = torch.linalg_eigh(symmetric.add(symmetric.t()).mul(Doubles.scalar(0.5)));
    return pair.get1().flip(1);
  }

  /** {@code R H}. */
  static Tensor weighted(Tensor rows, Metric metric) {
    return switch (metric) {
      case Metric.Plain _ -> rows;
      case Metric.Diagonal(float[] squares) ->
          rows.mul(Torch.ofFloats(squares, 1, squares.length).to(ScalarType.Double));
      case Metric.Full(Matrix gram) -> rows.mm(Doubles.of(gram));
    };
  }
}
