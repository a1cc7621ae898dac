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
import ai.lathe.runtime.kernel.sparse.Executed;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Sparse;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Function;
import java.util.function.Supplier;

/** Computes in plain Java. */
public final class ScalarProvider implements KernelProvider {

  private final RowMath rows = new ScalarRowMath();

  private final InputChanges changes = new InputChanges();

  /** One for each rule, so that matrices of one rule share their inputs. */
  private final ConcurrentMap<InputRule, InputForm.Kind<Int8Input>> kinds =
      new ConcurrentHashMap<>();

  private final SparseChoice choice;

  public ScalarProvider() {
    this(SparseChoice.MEASURED);
  }

  /**
   * @param choice which sparse weights are executed without their zeros
   */
  public ScalarProvider(SparseChoice choice) {
    this.choice = choice;
  }

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
    if (weight instanceof Sparse sparse) {
      return prepareSparse(sparse, arena, this);
    }
    var composite = Composites.of(this, weight, arena);
    if (composite.isPresent()) {
      return composite.get();
    }
    if (weight instanceof BlockDiagonal diagonal) {
      return new ScalarModes(ModeMatrix.of(diagonal), diagonal.encoding().label());
    }
    if (weight instanceof ModeMatrix modes) {
      return new ScalarModes(modes, modes.encoding().label());
    }
    if (Packing.layout(weight).isEmpty()) {
      return changes.rounded(weight, new ScalarDecoded(weight));
    }
    var stripes = Packing.pack(weight, arena);
    return matrix(weight, stripes.order(), rule -> new ScalarStripes(stripes, rule, kind(rule)));
  }

  @Override
  public PackedMatrix prepareSparse(Sparse weight, Arena arena, KernelProvider dense) {
    var verdict =
        SparsePacking.layout(weight).isPresent()
            ? choice.verdict(name(), weight, SparsePacking.form(weight))
            : Verdict.dense("there is no kernel for " + weight.encoding().values().label());
    Supplier<PackedMatrix> all = () -> dense.prepare(weight.dense(), arena);
    if (!verdict.sparse()) {
      return Executed.dense(all.get(), weight.encoding().label(), verdict.why());
    }
    var stripes = SparsePacking.pack(weight, arena);
    return Executed.sparse(
        matrix(weight, null, rule -> new ScalarSparse(stripes, rule, kind(rule))), verdict, all);
  }

  /** With inputs as the weight says; where these are no integers, it changes them before. */
  private PackedMatrix matrix(
      LinearWeight weight, int[] order, Function<InputRule, PackedMatrix> integers) {
    return InputRule.of(weight, order)
        .map(integers)
        .orElseGet(
            () -> {
              var rule = InputRule.blocks(order == null ? null : IntBuffer.wrap(order));
              return changes.rounded(weight, integers.apply(rule));
            });
  }

  private InputForm.Kind<Int8Input> kind(InputRule rule) {
    return kinds.computeIfAbsent(
        rule, r -> new InputForm.Kind<>(r.label(), () -> new Int8Input(new PlainRounding(r))));
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
