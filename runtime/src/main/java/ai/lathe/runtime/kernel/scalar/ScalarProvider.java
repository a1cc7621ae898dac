package ai.lathe.runtime.kernel.scalar;

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
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** Computes in plain Java. */
public final class ScalarProvider implements KernelProvider {

  private final RowMath rows = new ScalarRowMath();

  private final InputChanges changes = new InputChanges();

  /** One for each rule, so that matrices of one rule share their inputs. */
  private final ConcurrentMap<InputRule, InputForm.Kind<Int8Input>> kinds =
      new ConcurrentHashMap<>();

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
    if (weight instanceof Rotated rotated) {
      return changes.rotated(rotated, prepare(rotated.inner(), arena));
    }
    var composite = Composites.of(this, weight, arena);
    if (composite.isPresent()) {
      return composite.get();
    }
    if (weight instanceof BlockDiagonal diagonal) {
      return new ScalarDiagonal(diagonal);
    }
    if (Packing.layout(weight).isEmpty()) {
      return changes.rounded(weight, new ScalarDecoded(weight));
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

  private PackedMatrix integers(Stripes stripes, InputRule rule) {
    return new ScalarStripes(stripes, rule, kinds.computeIfAbsent(rule, ScalarProvider::kind));
  }

  private static InputForm.Kind<Int8Input> kind(InputRule rule) {
    return new InputForm.Kind<>(rule.label(), () -> new Int8Input(new PlainRounding(rule)));
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
