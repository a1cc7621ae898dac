package ai.lathe.compress.factorization;

import ai.lathe.tensor.Mask;
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

  /** Of conjugate gradients: enough from a start that is near. */
  private static final int STEPS = 12;

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

  /**
   * {@code B [m, k]} of least {@code tr((W - B A) H (W - B A)^T)}.
   *
   * @param target {@code W H A^T [m, k]}
   * @param gram {@code A H A^T [k, k]}
   */
  static Matrix leastSquaresOfRows(Matrix target, Matrix gram) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      return matrix(torch.cholesky_solve(of(target).t(), root(ridged(gram))).t());
    }
  }

  /**
   * Likewise with zeros where the mask has them, from a {@code B} that is near: some steps of
   * conjugate gradients, each row by itself, preconditioned by the diagonal.
   */
  static Matrix leastSquares(Matrix near, Mask mask, Matrix target, Matrix gram) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var g = ridged(gram);
      var kept = mask(mask);
      var inverse = g.diagonal().reciprocal().unsqueeze(0);
      var x = of(near);
      var rest = of(target).sub(x.mm(g)).mul(kept);
      var step = rest.mul(inverse);
      var energy = rest.mul(step).sum(1).unsqueeze(1);
      for (int i = 0; i < STEPS; i++) {
        var moved = step.mm(g).mul(kept);
        var rate = ratio(energy, step.mul(moved).sum(1).unsqueeze(1));
        x = x.add(step.mul(rate));
        rest = rest.sub(moved.mul(rate));
        var conditioned = rest.mul(inverse);
        var left = rest.mul(conditioned).sum(1).unsqueeze(1);
        step = conditioned.add(step.mul(ratio(left, energy)));
        energy = left;
      }
      return matrix(x);
    }
  }

  /** 0 where the divisor is. */
  private static Tensor ratio(Tensor of, Tensor by) {
    return torch.where(by.gt(scalar(0)), of.div(by), torch.zeros_like(of));
  }

  private static Tensor ridged(Matrix gram) {
    var g = of(gram);
    var mean = Math.max(g.diagonal().mean().item_double(), Double.MIN_NORMAL);
    return g.add(identity(g.size(0)).mul(scalar(RIDGE * mean)));
  }

  /** 1 where weights are kept. */
  private static Tensor mask(Mask mask) {
    var values = new float[Math.multiplyExact(mask.rows(), mask.columns())];
    for (int i = 0; i < values.length; i++) {
      values[i] = mask.keeps(i / mask.columns(), i % mask.columns()) ? 1 : 0;
    }
    return of(new Matrix(mask.rows(), mask.columns(), values));
  }
}
