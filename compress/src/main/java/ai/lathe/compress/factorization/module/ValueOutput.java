package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.Doubles;
import ai.lathe.tensor.Matrix;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * A value head with fewer features, in a basis that its values and the columns of the output matrix
 * share: the singular vectors of {@code C^(1/2) V O}, found in the space of the head.
 *
 * <p>With values {@code v} and {@code E[v v^T] = Q S^2 Q^T}, the singular values of {@code C^(1/2)
 * V O} are those of {@code S Q^T O} with left vectors {@code P}, and {@code v} becomes {@code P^T
 * S^-1 Q^T v}, {@code O} becomes {@code P^T S Q^T O}: no root of the large matrix {@code C} is
 * needed, and a bias is a part of {@code v} like all else. The query heads of a group read the same
 * values; theirs are the vectors of all their {@code O} side by side.
 *
 * @param values {@code [k, head]}, by which values are multiplied
 * @param outputs {@code [head, k]}, by which the output matrix's columns of each query head of the
 *     group are multiplied from the right
 * @see <a href="https://arxiv.org/abs/2408.09632">Lin et al., MoDeGPT, 2024, type III</a>
 */
record ValueOutput(Matrix values, Matrix outputs) {

  /**
   * Of the mean, added to what values are along each direction, so that all can be divided by it:
   * little enough that a direction without values is the first to go.
   */
  private static final double RIDGE = 1e-10;

  /** A direction of less weight than this, of the greatest, has columns as if it had so much. */
  private static final double LEAST = 1e-6;

  /**
   * @param moments {@code E[v v^T] [head, head]} of the values, in any scale
   * @param columns those of the output matrix, {@code [out, head]} for each query head of the group
   * @param size features that stay
   */
  static ValueOutput of(Matrix moments, List<Matrix> columns, int size) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      int head = moments.rows();
      var m = Doubles.of(moments);
      double mean = m.diagonal().mean().item_double();
      var ofValues = eigen(m);
      var s = ofValues.values().add(Doubles.scalar(mean > 0 ? RIDGE * mean : 1)).sqrt();
      var q = ofValues.vectors();
      var inner = torch.zeros(head, head).to(torch.ScalarType.Double);
      for (var part : columns) {
        var o = Doubles.of(part);
        inner = inner.add(o.t().mm(o));
      }
      var root = q.mul(s.unsqueeze(0));
      var ofOutputs = eigen(root.t().mm(inner).mm(root));
      var p = ofOutputs.vectors().narrow(1, 0, size);
      // Columns as long as those before were on average: what a direction weighs goes to the
      // values, so that columns can be rounded together.
      var weights = ofOutputs.values().sqrt();
      double length = Math.sqrt(inner.diagonal().mean().item_double());
      double greatest = weights.max().item_double();
      var scales =
          length > 0 && greatest > 0
              ? weights
                  .narrow(0, 0, size)
                  .clamp_min(Doubles.scalar(LEAST * greatest))
                  .div(Doubles.scalar(length))
              : torch.ones(size).to(torch.ScalarType.Double);
      var values = p.div(s.unsqueeze(1)).t().mm(q.t()).mul(scales.unsqueeze(1));
      var outputs = root.mm(p).div(scales.unsqueeze(0));
      return new ValueOutput(Doubles.matrix(values), Doubles.matrix(outputs));
    }
  }

  /** Descending; values that are rounding below zero are zero. */
  private record Eigen(Tensor values, Tensor vectors) {}

  private static Eigen eigen(Tensor symmetric) {
    var pair = torch.linalg_eigh(symmetric.add(symmetric.t()).mul(Doubles.scalar(0.5)));
    return new Eigen(pair.get0().flip(0).clamp_min(Doubles.scalar(0)), pair.get1().flip(1));
  }
}
