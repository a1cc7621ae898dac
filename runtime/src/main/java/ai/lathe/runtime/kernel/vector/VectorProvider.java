package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import jdk.incubator.vector.FloatVector;

/** Computes on the vector unit; needs {@code --add-modules jdk.incubator.vector}. */
public final class VectorProvider implements KernelProvider {

  private final KernelProvider scalar = new ScalarProvider();
  private final RowMath rows = new VectorRowMath();

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public String label() {
    return "vector, " + FloatVector.SPECIES_PREFERRED.vectorBitSize() + " bits";
  }

  @Override
  public PackedMatrix prepare(LinearWeight weight, Arena arena) {
    return scalar.prepare(weight, arena);
  }

  @Override
  public RowMath rows() {
    return rows;
  }

  @Override
  public AttentionKernel attention(AttentionShape shape, KeyValueLayout layout) {
    return new VectorAttention(shape, layout);
  }
}
