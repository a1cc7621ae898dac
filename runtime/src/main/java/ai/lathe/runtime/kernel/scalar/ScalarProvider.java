package ai.lathe.runtime.kernel.scalar;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** Computes in plain Java. */
public final class ScalarProvider implements KernelProvider {

  private final RowMath rows = new ScalarRowMath();

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
    if (Packing.layout(weight).isEmpty() || InputRule.of(weight, null).isEmpty()) {
      return new ScalarDecoded(weight);
    }
    var stripes = Packing.pack(weight, arena);
    var rule = InputRule.of(weight, stripes.order()).orElseThrow();
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
