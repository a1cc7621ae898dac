package ai.lathe.runtime.kernel;

import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Sparse;
import java.lang.foreign.Arena;

/**
 * One way to compute: plain Java (the oracle of the others), the vector unit, or machine code that
 * Java emits. All give the same results, to the last bit where the arithmetic is integer.
 */
public interface KernelProvider {

  /** {@code scalar}, {@code vector} or {@code emitted}. */
  String name();

  /** For people, for example {@code vector, 512 bits}. */
  String label();

  /**
   * A weight in the order that this provider's kernels read it. Where the order is the stored one,
   * the result reads the weight's own memory, which must stay open.
   *
   * @param arena of what is copied
   */
  PackedMatrix prepare(LinearWeight weight, Arena arena);

  /**
   * A sparse weight.
   *
   * @param dense prepares it where it is executed with its zeros
   */
  PackedMatrix prepareSparse(Sparse weight, Arena arena, KernelProvider dense);

  /**
   * A weight that is another factor than the last of a product: where it is of low rank, it has
   * many short rows.
   */
  default PackedMatrix prepareFactor(LinearWeight weight, Arena arena) {
    return prepare(weight, arena);
  }

  /** Everything that is done to rows of activations between products. */
  RowMath rows();

  /** Attention for one thread, which has its own working memory. */
  AttentionKernel attention(AttentionShape shape, KeyValueLayout layout);
}
