package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
    return weight instanceof Dense(Tensor tensor)
        ? new FloatMatrix(rows(tensor, weight.rows(), weight.columns(), arena))
        : scalar.prepare(weight, arena);
  }

  /** The stored types where they are; any other in float32. */
  private static FloatRows rows(Tensor tensor, int rows, int columns, Arena arena) {
    return switch (tensor.dtype()) {
      case F32 -> new Float32Rows(rows, columns, outsideHeap(tensor, arena));
      case BF16 -> new Bfloat16Rows(rows, columns, outsideHeap(tensor, arena));
      case F16 -> new Float16Rows(rows, columns, outsideHeap(tensor, arena));
      default -> new Float32Rows(rows, columns, tensor.to(DType.F32, arena).data());
    };
  }

  /** Kernels that meet memory on and off the heap are slower for both. */
  private static MemorySegment outsideHeap(Tensor tensor, Arena arena) {
    return tensor.data().isNative()
        ? tensor.data()
        : arena.allocate(tensor.data().byteSize(), 64).copyFrom(tensor.data());
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
