package ai.lathe.compress.factorization;

import ai.lathe.tensor.Matrix;
import ai.lathe.torch.Torch;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * A matrix as a matrix product operator, by truncated singular value decompositions from left to
 * right in float64: of {@code [chi_{k-1} o_k i_k, rest]} the largest {@code chi_k} left vectors are
 * a core, and what they leave is carried on.
 *
 * @param cores {@code [chi_{k-1} o_k, i_k chi_k]}
 * @param dropped at each cut the sum of squares of the singular values left out. The error of the
 *     whole, squared, is no more than the sum of these
 */
record CoreChain(List<Matrix> cores, double[] dropped) {

  /**
   * @param weight {@code W [out, in]}
   * @param bonds {@link Cores#bonds}
   */
  static CoreChain of(Matrix weight, Cores sizes, int[] bonds) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      int n = sizes.count();
      var rest = sites(weight, sizes);
      var cores = new ArrayList<Matrix>();
      var dropped = new double[n - 1];
      for (int k = 0; k < n - 1; k++) {
        int left = Cores.left(bonds, k);
        int out = sizes.out().get(k);
        int in = sizes.in().get(k);
        var matrix = rest.reshape(left * (long) out * in, -1);
        var vectors = leftVectors(matrix);
        var kept = vectors.narrow(1, 0, bonds[k]);
        dropped[k] = energy(vectors.narrow(1, bonds[k], vectors.size(1) - bonds[k]).t().mm(matrix));
        cores.add(matrix(kept.reshape(left * (long) out, in * (long) bonds[k])));
        rest = kept.t().mm(matrix);
      }
      int last = n - 1;
      long high = (long) Cores.left(bonds, last) * sizes.out().get(last);
      cores.add(matrix(rest.reshape(high, sizes.in().get(last))));
      return new CoreChain(cores, dropped);
    }
  }

  /** {@code [o_1, i_1, o_2, i_2, ...]}. */
  private static Tensor sites(Matrix weight, Cores sizes) {
    int n = sizes.count();
    var shape = new long[2 * n];
    var order = new long[2 * n];
    for (int k = 0; k < n; k++) {
      shape[k] = sizes.out().get(k);
      shape[n + k] = sizes.in().get(k);
      order[2 * k] = k;
      order[2 * k + 1] = n + k;
    }
    return Torch.ofFloats(weight.values(), shape).to(ScalarType.Double).permute(order).contiguous();
  }

  /** All left singular vectors {@code [m, min(m, n)]}, orthonormal, of descending values. */
  private static Tensor leftVectors(Tensor matrix) {
    if (matrix.size(0) <= matrix.size(1)) {
      return descending(matrix.mm(matrix.t()));
    }
    // The triangle is small, and its vectors stay orthonormal where values are zero.
    var pair = torch.linalg_qr(matrix);
    var r = pair.get1();
    return pair.get0().mm(descending(r.mm(r.t())));
  }

  private static Tensor descending(Tensor gram) {
    var symmetric = gram.add(gram.t()).mul(new Scalar(0.5));
    return torch.linalg_eigh(symmetric).get1().flip(1);
  }

  private static double energy(Tensor values) {
    return values.numel() == 0 ? 0 : values.mul(values).sum().item_double();
  }

  private static Matrix matrix(Tensor tensor) {
    return new Matrix((int) tensor.size(0), (int) tensor.size(1), Torch.floats(tensor));
  }
}
