package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.runtime.kernel.input.InputChanges;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.nio.IntBuffer;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.Function;

/**
 * Multiplies integer weights by machine code that it writes for each {@link Layout} when the first
 * such weight comes, and tests before use. All else another provider computes.
 */
public final class EmittedProvider implements KernelProvider {

  private static final Logger LOGGER = System.getLogger(EmittedProvider.class.getName());

  private final KernelProvider beside;
  private final Function<InputRule, Int8Input.Rounding> roundings;
  private final InputChanges changes = new InputChanges();
  private final ConcurrentMap<Layout, Optional<Kernels>> kernels = new ConcurrentHashMap<>();

  /** One for each shape, so that matrices share their inputs. */
  private final ConcurrentMap<Shape, InputForm.Kind<TiledInput>> kinds = new ConcurrentHashMap<>();

  private record Shape(InputRule rule, Tile tile, int unit) {}

  private EmittedProvider(
      KernelProvider beside, Function<InputRule, Int8Input.Rounding> roundings) {
    this.beside = beside;
    this.roundings = roundings;
  }

  /**
   * @param beside computes what machine code is not written for
   * @param roundings makes what rounds inputs where machine code does not
   * @throws Unavailable where machine code cannot run, which asking the processor already is
   */
  public static EmittedProvider open(
      KernelProvider beside, Function<InputRule, Int8Input.Rounding> roundings) throws Unavailable {
    return open(beside, roundings, Platform.current());
  }

  static EmittedProvider open(
      KernelProvider beside, Function<InputRule, Int8Input.Rounding> roundings, Platform platform)
      throws Unavailable {
    platform.check();
    try {
      var missing = Cpu.read().missing();
      if (!missing.isEmpty()) {
        throw new Unavailable("the processor lacks " + String.join(", ", missing), false);
      }
      return new EmittedProvider(beside, roundings);
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
    var layout = Packing.layout(weight);
    if (layout.isEmpty()) {
      return beside.prepare(weight, arena);
    }
    var written = kernels.computeIfAbsent(layout.get(), this::writeOrWarn);
    if (written.isEmpty()) {
      return beside.prepare(weight, arena);
    }
    var stripes = Packing.pack(weight, arena);
    var order = stripes.order();
    var own = InputRule.of(weight, order);
    if (own.isPresent()) {
      return matrix(stripes, written.get(), own.get());
    }
    var blocks = InputRule.blocks(order == null ? null : IntBuffer.wrap(order));
    return changes.rounded(weight, matrix(stripes, written.get(), blocks));
  }

  private EmittedStripes matrix(Stripes stripes, Kernels written, InputRule rule) {
    var layout = stripes.layout();
    var shape = new Shape(rule, Tile.of(layout, 1), layout.unit());
    var kind =
        kinds.computeIfAbsent(
            shape,
            _ ->
                new InputForm.Kind<>(
                    "inputs " + rule.label(),
                    () -> new TiledInput(layout, written, rule, roundings.apply(rule))));
    return new EmittedStripes(stripes, written, kind);
  }

  private Optional<Kernels> writeOrWarn(Layout layout) {
    try {
      return Optional.of(write(layout));
    } catch (Unavailable | Pages.Refused e) {
      LOGGER.log(
          Level.WARNING,
          "weights of %s run on kernels '%s': %s"
              .formatted(layout.label(), beside.name(), e.getMessage()));
      return Optional.empty();
    }
  }

  Kernels write(Layout layout) throws Unavailable, Pages.Refused {
    var written = new Kernels(layout);
    SelfTest.run(layout, (stripes, rule) -> matrix(stripes, written, rule));
    return written;
  }

  @Override
  public RowMath rows() {
    return beside.rows();
  }

  @Override
  public AttentionKernel attention(AttentionShape shape, KeyValueLayout layout) {
    return beside.attention(shape, layout);
  }
}
