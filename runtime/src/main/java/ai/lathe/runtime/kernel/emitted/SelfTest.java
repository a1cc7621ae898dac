package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.scalar.ScalarStripes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.function.BiFunction;

/**
 * Holds every kernel of a layout against plain Java, to the last bit, before a model's results
 * depend on it.
 */
final class SelfTest {

  /** One stripe, and one row of the next. */
  private static final int ROWS = 17;

  /** For tiles of a few tokens, and for panels: one full chunk and the begin of a second one. */
  private static final int FEW_COLUMNS = 72;

  private static final int MANY_COLUMNS = Panel.COLUMNS + 8;

  /** Numbers of tokens whose tiles are of all sizes: 5, 4, 4; 6, 5, 5. */
  private static final int[] MANY = {13, 16};

  private SelfTest() {}

  /**
   * @param emitted what is tested
   * @throws Unavailable for the first result that differs
   */
  static void run(Layout layout, BiFunction<Stripes, InputRule, PackedMatrix> emitted)
      throws Unavailable {
    run(layout, 0, 1, emitted);
  }

  /**
   * @param zeros the share of codes that are zero; of 8 bits
   * @param together so many are zero together
   */
  static void run(
      Layout layout,
      double zeros,
      int together,
      BiFunction<Stripes, InputRule, PackedMatrix> emitted)
      throws Unavailable {
    try (var arena = Arena.ofConfined();
        var workers = new Workers(1)) {
      var few = random(layout, FEW_COLUMNS, zeros, together, arena);
      for (int tokens = 1; tokens <= Tile.FEW; tokens++) {
        compare(few, tokens, emitted, arena, workers);
      }
      var many = random(layout, MANY_COLUMNS, zeros, together, arena);
      for (int tokens : MANY) {
        compare(many, tokens, emitted, arena, workers);
      }
    }
  }

  private static void compare(
      Stripes stripes,
      int tokens,
      BiFunction<Stripes, InputRule, PackedMatrix> emitted,
      Arena arena,
      Workers workers)
      throws Unavailable {
    var rule = InputRule.blocks(null);
    var input = new Input(workers);
    input.set(inputs(tokens * stripes.columns(), arena), tokens, stripes.columns());
    var actual = multiply(emitted.apply(stripes, rule), input, arena);
    var kind = new InputForm.Kind<>("plain", () -> new Int8Input(new PlainRounding(rule)));
    var expected = multiply(new ScalarStripes(stripes, rule, kind), input, arena);
    long difference = expected.mismatch(actual);
    if (difference >= 0) {
      long element = difference / ValueLayout.JAVA_FLOAT.byteSize();
      throw new Unavailable(
          "the kernel of %s for %d tokens computes %s where %s is right"
              .formatted(
                  stripes.layout().label(),
                  tokens,
                  actual.getAtIndex(ValueLayout.JAVA_FLOAT, element),
                  expected.getAtIndex(ValueLayout.JAVA_FLOAT, element)),
          true);
    }
  }

  private static MemorySegment multiply(PackedMatrix matrix, Input input, Arena arena) {
    var out = arena.allocate(ValueLayout.JAVA_FLOAT, (long) input.tokens() * matrix.rows());
    matrix.prepare(input);
    matrix.multiply(input, 0, matrix.rows(), out, 0, matrix.rows());
    return out;
  }

  private static MemorySegment inputs(int count, Arena arena) {
    var random = new SplittableRandom(count);
    var values = arena.allocate(ValueLayout.JAVA_FLOAT, count);
    for (int i = 0; i < count; i++) {
      values.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextDouble(-3, 3));
    }
    return values;
  }

  /** Any codes; scales and minima of usual sizes. */
  static Stripes random(Layout layout, int columns, double zeros, int together, Arena arena) {
    var random = new SplittableRandom(columns);
    var codes = arena.allocate(layout.bytes(ROWS, columns), 64);
    for (long at = 0; at < codes.byteSize(); at += Long.BYTES) {
      codes.set(ValueLayout.JAVA_LONG, at, random.nextLong());
    }
    for (long at = 0; zeros > 0 && at < codes.byteSize(); at += together) {
      if (random.nextDouble() < zeros) {
        codes.asSlice(at, together).fill((byte) 0);
      }
    }
    int scales = layout.groups() * Layout.ROWS;
    for (long unit = 0; unit < codes.byteSize(); unit += layout.unitBytes()) {
      if (layout.sides().twoLevels()) {
        halves(codes, unit + layout.superScalesAt(), Layout.ROWS, random);
        halves(codes, unit + layout.superMinimaAt(), Layout.ROWS, random);
      } else if (layout.sides() != Sides.ROW) {
        halves(codes, unit + layout.scalesAt(), scales, random);
        for (int i = 0; i < scales && layout.sides().minima(); i++) {
          codes.set(
              ValueLayout.JAVA_FLOAT,
              unit + layout.minimaAt() + 4L * i,
              (float) random.nextDouble(-1, 1));
        }
      }
    }
    var factors = arena.allocate(ValueLayout.JAVA_FLOAT, Layout.stripes(ROWS) * Layout.ROWS);
    for (int row = 0; row < ROWS; row++) {
      factors.setAtIndex(ValueLayout.JAVA_FLOAT, row, (float) random.nextDouble(0.5, 2));
    }
    return new Stripes(layout, ROWS, columns, codes, factors, null);
  }

  private static void halves(MemorySegment to, long at, int count, SplittableRandom random) {
    for (int i = 0; i < count; i++) {
      short half = Float.floatToFloat16((float) random.nextDouble(-0.1, 0.1));
      to.set(ValueLayout.JAVA_SHORT, at + 2L * i, half);
    }
  }
}
