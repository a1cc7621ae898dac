package ai.lathe.runtime.kernel.vector;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.composite.BlockMatrices;
import ai.lathe.runtime.kernel.composite.Composites;
import ai.lathe.runtime.kernel.input.InputChanges;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.sparse.Executed;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.Dense;
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
import jdk.incubator.vector.FloatVector;

/** Computes on the vector unit; needs {@code --add-modules jdk.incubator.vector}. */
public final class VectorProvider implements KernelProvider {

  private final InputChanges changes = new InputChanges();
  private final RowMath rows = new VectorRowMath();

  /** One for each rule, so that matrices of one rule share their inputs. */
  private final ConcurrentMap<InputRule, InputForm.Kind<VectorInput>> kinds =
      new ConcurrentHashMap<>();

  private final SparseChoice choice;

  public VectorProvider() {
    this(SparseChoice.MEASURED);
  }

  /**
   * @param choice which sparse weights are executed without their zeros
   */
  public VectorProvider(SparseChoice choice) {
    this.choice = choice;
  }

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
    if (weight instanceof Sparse sparse) {
      return prepareSparse(sparse, arena, this);
    }
    var composite = Composites.of(this, weight, arena);
    if (composite.isPresent()) {
      return composite.get();
    }
    if (weight instanceof BlockDiagonal diagonal) {
      return ShortRows.of(ModeMatrix.of(diagonal), diagonal.encoding().label(), arena);
    }
    if (weight instanceof ModeMatrix modes) {
      if (BlockMatrices.suits(modes)) {
        return BlockMatrices.of(modes, this, arena);
      }
      return modes.inner() == 1
          ? ShortRows.of(modes, modes.encoding().label(), arena)
          : new ModeRows(modes, arena);
    }
    if (Packing.layout(weight).isEmpty()) {
      return changes.rounded(weight, FloatMatrices.of(weight, arena));
    }
    var stripes = Packing.pack(weight, arena);
    return matrix(weight, stripes.order(), rule -> new VectorStripes(stripes, rule, kind(rule)));
  }

  @Override
  public PackedMatrix prepareSparse(Sparse weight, Arena arena, KernelProvider dense) {
    var form = SparseMatrices.form(weight);
    var verdict =
        SparseMatrices.refusal(weight)
            .map(why -> Verdict.dense(why))
            .orElseGet(() -> choice.verdict(name(), weight, form));
    Supplier<PackedMatrix> all = () -> dense.prepare(weight.dense(), arena);
    if (!verdict.sparse()) {
      return Executed.dense(all.get(), weight.encoding().label(), verdict.why());
    }
    if (weight.values() instanceof Sparse.Values.Floats) {
      var floats = SparseMatrices.floats(weight, form, arena);
      return Executed.sparse(floats, verdict, all);
    }
    var stripes = SparsePacking.pack(weight, arena);
    return Executed.sparse(
        matrix(weight, null, rule -> new VectorSparse(stripes, rule, kind(rule))), verdict, all);
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

  @Override
  public PackedMatrix prepareFactor(LinearWeight weight, Arena arena) {
    return weight instanceof Dense dense && dense.columns() <= Composites.SHORT
        ? ShortRows.of(dense, arena)
        : prepare(weight, arena);
  }

  private InputForm.Kind<VectorInput> kind(InputRule rule) {
    return kinds.computeIfAbsent(
        rule, r -> new InputForm.Kind<>(r.label(), () -> new VectorInput(r)));
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
