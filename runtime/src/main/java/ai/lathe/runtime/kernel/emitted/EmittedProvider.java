package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.composite.BlockMatrices;
import ai.lathe.runtime.kernel.composite.Composites;
import ai.lathe.runtime.kernel.input.InputChanges;
import ai.lathe.runtime.kernel.layout.FewTokens;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.PackedStripes;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.runtime.kernel.sparse.Executed;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.kernel.sparse.SparseChoice.Verdict;
import ai.lathe.runtime.kernel.sparse.SparseForm;
import ai.lathe.runtime.kernel.sparse.SparsePacking;
import ai.lathe.runtime.kernel.sparse.SparseStripes;
import ai.lathe.runtime.kernel.sparse.UnitStripes;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.IntBuffer;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Computes by machine code that it writes, and tests before use: products of integer weights of
 * each {@link Layout}, when the first such weight comes; of stored floats with few tokens; what is
 * done to rows; attention. All else another provider computes. Integer results are the same in all
 * providers, to the last bit; others are those of the vector provider with vectors of 512 bits.
 */
public final class EmittedProvider implements KernelProvider {

  private static final Logger LOGGER = System.getLogger(EmittedProvider.class.getName());

  /** So that vectors of all numbers of codes are among those that are tested. */
  private static final double TESTED_ZEROS = 0.5;

  private final KernelProvider beside;
  private final Function<InputRule, Int8Input.Rounding> roundings;
  private final InputChanges changes = new InputChanges();
  private final ConcurrentMap<Form, Optional<Kernels>> kernels = new ConcurrentHashMap<>();

  /** One for each shape, so that matrices share their inputs. */
  private final ConcurrentMap<Shape, InputForm.Kind<TiledInput>> kinds = new ConcurrentHashMap<>();

  /**
   * What kernels are written for.
   *
   * @param zeros of weights
   */
  record Form(Layout layout, Zeros zeros) {
    String label() {
      return layout.label() + zeros.label;
    }
  }

  private record Shape(InputRule rule, Tile tile, int unit) {}

  private final RowMath rows;
  private final ConcurrentMap<DType, Optional<MemorySegment>> dense = new ConcurrentHashMap<>();
  private final ConcurrentMap<Heads, Optional<AttentionKernels>> attention =
      new ConcurrentHashMap<>();

  private record Heads(int keySize, int valueSize, DType type) {}

  private final SparseChoice choice;

  /** Why this processor has no kernels for weights with masks; empty where it has. */
  private final Optional<String> unmasked;

  private EmittedProvider(
      KernelProvider beside,
      Function<InputRule, Int8Input.Rounding> roundings,
      SparseChoice choice,
      Cpu cpu)
      throws Unavailable, Pages.Refused {
    this.beside = beside;
    this.roundings = roundings;
    this.choice = choice;
    unmasked = cpu.vbmi2() ? Optional.empty() : Optional.of("the processor lacks AVX-512 VBMI2");
    rows = new EmittedRowMath(beside.rows());
    FloatSelfTest.rows(rows);
  }

  /**
   * @param beside computes what machine code is not written for
   * @param roundings makes what rounds inputs where machine code does not
   * @throws Unavailable where machine code cannot run, which asking the processor already is
   */
  public static EmittedProvider open(
      KernelProvider beside, Function<InputRule, Int8Input.Rounding> roundings) throws Unavailable {
    return open(beside, roundings, SparseChoice.MEASURED);
  }

  /**
   * @param choice which sparse weights are executed without their zeros
   */
  public static EmittedProvider open(
      KernelProvider beside, Function<InputRule, Int8Input.Rounding> roundings, SparseChoice choice)
      throws Unavailable {
    return open(beside, roundings, choice, Platform.current());
  }

  static EmittedProvider open(
      KernelProvider beside,
      Function<InputRule, Int8Input.Rounding> roundings,
      SparseChoice choice,
      Platform platform)
      throws Unavailable {
    platform.check();
    try {
      var cpu = Cpu.read();
      var missing = cpu.missing();
      if (!missing.isEmpty()) {
        throw new Unavailable("the processor lacks " + String.join(", ", missing), false);
      }
      return new EmittedProvider(beside, roundings, choice, cpu);
    } catch (Pages.Refused e) {
      throw new Unavailable(e.getMessage(), true);
    }
  }

  /** Measures what these kernels could reach at most. */
  public DotLoop dotLoop() {
    try {
      return new DotLoop();
    } catch (Pages.Refused e) {
      // What was allowed for kernels is allowed for this.
      throw new LatheException("no memory for machine code: " + e.getMessage(), e);
    }
  }

  @Override
  public String name() {
    return "emitted";
  }

  @Override
  public String label() {
    return "emitted, AVX-512 VNNI; beside it " + beside.label();
  }

  @Override
  public PackedMatrix prepare(LinearWeight weight, Arena arena) {
    if (weight instanceof Rotated rotated) {
      return changes.rotated(rotated, prepare(rotated.inner(), arena));
    }
    if (weight instanceof Sparse sparse) {
      return prepareSparse(sparse, arena, this);
    }
    if (weight instanceof Dense(Tensor tensor) && FloatLoads.reads(tensor.dtype())) {
      return dense(outsideHeap(tensor, arena), arena);
    }
    var composite = Composites.of(this, weight, arena);
    if (composite.isPresent()) {
      return composite.get();
    }
    if (weight instanceof ModeMatrix modes
        && modes.blocks() instanceof GroupQuantized
        && BlockMatrices.suits(modes)) {
      return BlockMatrices.of(modes, this, arena);
    }
    var layout = Packing.layout(weight);
    if (layout.isEmpty()) {
      return beside.prepare(weight, arena);
    }
    var written = kernels.computeIfAbsent(new Form(layout.get(), Zeros.STORED), this::writeOrWarn);
    if (written.isEmpty()) {
      return beside.prepare(weight, arena);
    }
    var stripes = Packing.pack(weight, arena);
    return matrix(weight, stripes, stripes.order(), written.get());
  }

  private PackedMatrix dense(Tensor tensor, Arena arena) {
    var type = tensor.dtype();
    var other = beside.prepare(new Dense(tensor), arena);
    return dense
        .computeIfAbsent(type, this::writeDense)
        .<PackedMatrix>map(
            function ->
                new EmittedDense(
                    tensor.data(), other, function, FewTokens.most(type), (int) type.bytes(1)))
        .orElse(other);
  }

  private static Tensor outsideHeap(Tensor tensor, Arena arena) {
    var data = tensor.data();
    return data.isNative()
        ? tensor
        : new Tensor(
            tensor.dtype(), tensor.shape(), arena.allocate(data.byteSize(), 64).copyFrom(data));
  }

  private Optional<MemorySegment> writeDense(DType type) {
    try {
      var page = new CodePage();
      page.add(DenseKernel.write(type));
      var function = page.write()[0];
      FloatSelfTest.dense(function, type);
      return Optional.of(function);
    } catch (Unavailable | Pages.Refused e) {
      warn("weights of " + type, e);
      return Optional.empty();
    }
  }

  private Optional<AttentionKernels> writeAttention(Heads heads) {
    try {
      var written = new AttentionKernels(heads.keySize(), heads.valueSize(), heads.type());
      FloatSelfTest.attention(written, heads.keySize(), heads.valueSize(), heads.type());
      return Optional.of(written);
    } catch (Unavailable | Pages.Refused e) {
      warn("attention over heads of %d and %d".formatted(heads.keySize(), heads.valueSize()), e);
      return Optional.empty();
    }
  }

  private void warn(String what, Exception e) {
    LOGGER.log(
        Level.WARNING, "%s run on kernels '%s': %s".formatted(what, beside.name(), e.getMessage()));
  }

  @Override
  public PackedMatrix prepareFactor(LinearWeight weight, Arena arena) {
    return weight instanceof Dense && weight.columns() <= Composites.SHORT
        ? beside.prepareFactor(weight, arena)
        : prepare(weight, arena);
  }

  @Override
  public PackedMatrix prepareSparse(Sparse weight, Arena arena, KernelProvider dense) {
    var layout = SparsePacking.layout(weight);
    if (layout.isEmpty()) {
      return beside.prepareSparse(weight, arena, dense);
    }
    var form = SparsePacking.form(weight);
    var zeros = form.kind() == SparseForm.Kind.BLOCKS ? Zeros.BLOCKS : Zeros.MASKED;
    var verdict =
        unmasked
            .filter(_ -> zeros == Zeros.MASKED)
            .map(Verdict::dense)
            .orElseGet(() -> choice.verdict(name(), weight, form));
    Supplier<PackedMatrix> all = () -> dense.prepare(weight.dense(), arena);
    if (!verdict.sparse()) {
      return Executed.dense(all.get(), weight.encoding().label(), verdict.why());
    }
    var written = kernels.computeIfAbsent(new Form(layout.get(), zeros), this::writeOrWarn);
    if (written.isEmpty()) {
      return beside.prepareSparse(weight, arena, dense);
    }
    var stripes = SparsePacking.pack(weight, arena);
    return Executed.sparse(matrix(weight, stripes, null, written.get()), verdict, all);
  }

  /** With inputs as the weight says; where these are no integers, it changes them before. */
  private PackedMatrix matrix(
      LinearWeight weight, PackedStripes stripes, int[] order, Kernels written) {
    return InputRule.of(weight, order)
        .<PackedMatrix>map(rule -> matrix(stripes, written, rule))
        .orElseGet(
            () -> {
              var rule = InputRule.blocks(order == null ? null : IntBuffer.wrap(order));
              return changes.rounded(weight, matrix(stripes, written, rule));
            });
  }

  private PackedMatrix matrix(PackedStripes stripes, Kernels written, InputRule rule) {
    var layout = stripes.layout();
    var shape = new Shape(rule, Tile.of(layout, 1), layout.unit());
    var kind =
        kinds.computeIfAbsent(
            shape,
            _ ->
                new InputForm.Kind<>(
                    "inputs " + rule.label(),
                    () -> new TiledInput(layout, written, rule, roundings.apply(rule))));
    return stripes instanceof UnitStripes blocks
        ? EmittedUnits.of(blocks, written, kind)
        : new EmittedStripes(stripes, written, kind);
  }

  private Optional<Kernels> writeOrWarn(Form form) {
    try {
      return Optional.of(write(form));
    } catch (Unavailable | Pages.Refused e) {
      warn("weights of " + form.label(), e);
      return Optional.empty();
    }
  }

  Kernels write(Form form) throws Unavailable, Pages.Refused {
    var written = new Kernels(form.layout(), form.zeros());
    switch (form.zeros()) {
      case STORED -> SelfTest.run(form.layout(), (stripes, rule) -> matrix(stripes, written, rule));
      case MASKED ->
          SelfTest.run(
              form.layout(),
              TESTED_ZEROS,
              1,
              (dense, rule) -> matrix(SparseStripes.of(dense, Arena.ofAuto()), written, rule));
      case BLOCKS ->
          SelfTest.run(
              form.layout(),
              TESTED_ZEROS,
              UnitStripes.BLOCK,
              (dense, rule) -> matrix(UnitStripes.of(dense, Arena.ofAuto()), written, rule));
    }
    return written;
  }

  @Override
  public RowMath rows() {
    return rows;
  }

  @Override
  public AttentionKernel attention(AttentionShape shape, KeyValueLayout layout) {
    if (layout instanceof FloatKeyValues floats && shape.cap() == 0) {
      var written =
          attention.computeIfAbsent(
              new Heads(shape.keySize(), shape.valueSize(), floats.type()), this::writeAttention);
      if (written.isPresent()) {
        return new EmittedAttention(shape, floats, written.get(), beside.attention(shape, layout));
      }
    }
    return beside.attention(shape, layout);
  }
}
