package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.input.InputChanges;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.lang.foreign.Arena;
import jdk.incubator.vector.FloatVector;

/** Computes on the vector unit; needs {@code --add-modules jdk.incubator.vector}. */
public final class VectorProvider implements KernelProvider {

  private final KernelProvider scalar = new ScalarProvider();
  private final InputChanges changes = new InputChanges();
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
    if (weight instanceof Rotated rotated) {
      return changes.rotated(rotated, prepare(rotated.inner(), arena));
    }
    if (Packing.layout(weight).isPresent()) {
      return scalar.prepare(weight, arena);
    }
    return changes.rounded(weight, FloatMatrices.of(weight, arena));
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
