package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;

/** Computes in plain Java. */
public final class ScalarProvider implements KernelProvider {

  private final RowMath rows = new ScalarRowMath();

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public String label() {
    return "scalar";
  }

  @Override
  public PackedMatrix prepare(LinearWeight weight, Arena arena) {
    return new ScalarDecoded(weight);
  }

  @Override
  public RowMath rows() {
    return rows;
  }

  @Override
  public AttentionKernel attention(AttentionShape shape, KeyValueLayout layout) {
    return new ScalarAttention(shape, layout);
  }
}
