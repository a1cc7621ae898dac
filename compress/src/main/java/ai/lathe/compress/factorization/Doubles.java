package ai.lathe.compress.factorization;

import ai.lathe.tensor.Matrix;
import ai.lathe.torch.Torch;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Float64 by LibTorch: what decompositions and least squares are computed in. */
public final class Doubles {

  /** Added to a matrix that is not positive definite, as a share of its mean diagonal. */
  private static final double DAMPENING = 1e-9;

  /** Keeps columns apart that hardly differ; as a share of their squared norm. */
  private static final double RIDGE = 1e-8;

  private Doubles() {}

  public static Tensor of(Matrix matrix) {
    return Torch.ofFloats(matrix.values(), matrix.rows(), matrix.columns()).to(ScalarType.Double);
  }

  public static Tensor of(double[] values, long... shape) {
    var tensor = torch.empty(shape, new TensorOptions(ScalarType.Double), null);
    MemorySegment.copy(values, 0, Torch.memory(tensor), ValueLayout.JAVA_DOUBLE, 0, values.length);
    return tensor;
  }

  public static Matrix matrix(Tensor tensor) {
    return new Matrix((int) tensor.size(0), (int) tensor.size(1), Torch.floats(tensor));
  }

  public static double[] array(Tensor tensor) {
    return Torch.memory(tensor.contiguous()).toArray(ValueLayout.JAVA_DOUBLE);
  }

  public static Scalar scalar(double value) {
    return new Scalar(value);
  }

  public static Tensor identity(long n) {
    return torch.eye(n).to(ScalarType.Double);
  }

  /**
   * Lower triangular {@code T} with {@code T T^T = H}; {@code H} that is not positive definite is
   * damped a little.
   */
  public static Tensor root(Tensor h) {
    double mean = h.diagonal().mean().item_double();
    for (double share = 0; ; share = share == 0 ? DAMPENING : 10 * share) {
      var damped = share == 0 ? h : h.add(identity(h.size(0)).mul(scalar(share * mean)));
      var pair = torch.linalg_cholesky_ex(damped);
      if (pair.get1().item_int() == 0) {
        return pair.get0();
      }
      if (share > 1) {
        throw new IllegalStateException("a matrix has no root");
      }
    }
  }

  /** {@code 1 / ||b_k||} of each column {@code [1, k]}; 0 where that is 0. */
  static Tensor reciprocalNorms(Tensor b) {
    var norms = b.mul(b).sum(0).sqrt();
    return torch
        .where(norms.gt(scalar(0)), norms.reciprocal(), torch.zeros_like(norms))
        .unsqueeze(0);
  }

  /**
   * {@code T} with {@code T T^T = B^T B} for columns of length 1 or 0; those of length 0 take no
   * part.
   */
  static Tensor innerRoot(Tensor unit) {
    var inner = unit.t().mm(unit);
    var added = inner.diagonal().eq(scalar(0)).to(ScalarType.Double).add(scalar(RIDGE));
    return root(inner.add(torch.diag(added)));
  }

  /**
   * {@code X [k, n]} of least {@code ||D - B X||}: of the least error under every metric of the
   * inputs, since {@code B^T (D - B X) H = 0} for any {@code H}. A column of {@code B} that is zero
   * takes no part.
   */
  static Matrix leastSquares(Matrix b, Matrix d) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var left = of(b);
      var scales = reciprocalNorms(left);
      var unit = left.mul(scales);
      var solved = torch.cholesky_solve(unit.t().mm(of(d)), innerRoot(unit));
      return matrix(solved.mul(scales.t()));
    }
  }
}
