package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.composite.Composites;
import ai.lathe.runtime.kernel.input.InputChanges;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import jdk.incubator.vector.FloatVector;

/** Computes on the vector unit; needs {@code --add-modules jdk.incubator.vector}. */
public final class VectorProvider implements KernelProvider {

  private final InputChanges changes = new InputChanges();
  private final RowMath rows = new VectorRowMath();

  /** One for each rule, so that matrices of one rule share their inputs. */
  private final ConcurrentMap<InputRule, InputForm.Kind<VectorInput>> kinds =
      new ConcurrentHashMap<>();

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
    var composite = Composites.of(this, weight, arena);
    if (composite.isPresent()) {
      return composite.get();
    }
    if (weight instanceof BlockDiagonal diagonal) {
      return ShortRows.of(diagonal, arena);
    }
    if (Packing.layout(weight).isEmpty()) {
      return changes.rounded(weight, FloatMatrices.of(weight, arena));
    }
    var stripes = Packing.pack(weight, arena);
    var order = stripes.order();
    return InputRule.of(weight, order)
        .map(rule -> integers(stripes, rule))
        .orElseGet(
            () -> {
              var rule = InputRule.blocks(order == null ? null : IntBuffer.wrap(order));
              return changes.rounded(weight, integers(stripes, rule));
            });
  }

  @Override
  public PackedMatrix prepareFactor(LinearWeight weight, Arena arena) {
    return weight instanceof Dense dense && dense.columns() <= ShortRows.LONGEST
        ? ShortRows.of(dense, arena)
        : prepare(weight, arena);
  }

  private PackedMatrix integers(Stripes stripes, InputRule rule) {
    return new VectorStripes(stripes, rule, kinds.computeIfAbsent(rule, VectorProvider::kind));
  }

  private static InputForm.Kind<VectorInput> kind(InputRule rule) {
    return new InputForm.Kind<>(rule.label(), () -> new VectorInput(rule));
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
