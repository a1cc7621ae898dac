package ai.lathe.runtime.kernel.emitted;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.abort;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Weights;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Against plain Java, to the last bit; where the processor can run it. */
class EmittedStripesTest {

  private static final Arena ARENA = Arena.ofShared();
  private static final Workers WORKERS = new Workers(2);
  private static final ScalarProvider SCALAR = new ScalarProvider();
  private static EmittedProvider emitted;

  @BeforeAll
  static void open() {
    try {
      emitted = EmittedProvider.open(SCALAR, PlainRounding::new);
    } catch (Unavailable e) {
      abort("machine code cannot run here: " + e.getMessage());
    }
  }

  @AfterAll
  static void close() {
    WORKERS.close();
    ARENA.close();
  }

  static List<Layout> layouts() {
    var layouts = new ArrayList<Layout>();
    for (int bits : new int[] {4, 6, 8}) {
      for (int group : new int[] {16, 32}) {
        for (var sides : Sides.values()) {
          try {
            layouts.add(new Layout(bits, group, sides));
          } catch (LatheException e) {
            // One of the combinations that do not exist.
          }
        }
      }
    }
    return layouts;
  }

  @Test
  void thereAreAllLayouts() {
    assertThat(layouts()).hasSize(21);
  }

  /** The test that also runs before a model's weights are multiplied. */
  @ParameterizedTest
  @MethodSource("layouts")
  void everyLayoutPassesItsSelfTest(Layout layout) throws Exception {
    emitted.write(new EmittedProvider.Form(layout, Zeros.STORED));
  }

  static List<LinearWeight> weights() {
    return Weights.all(45, 288, 7);
  }

  @ParameterizedTest
  @MethodSource("weights")
  void weightsAreMultipliedAsInPlainJava(LinearWeight weight) {
    var expected = SCALAR.prepare(weight, ARENA);
    var actual = emitted.prepare(weight, ARENA);
    assertThat(actual).isInstanceOf(EmittedStripes.class);
    for (int tokens : new int[] {1, 2, 12, 13, 25}) {
      assertThat(multiply(actual, tokens, 1)).isEqualTo(multiply(expected, tokens, 1));
    }
  }

  /** What changes the input before stands around the machine code. */
  @Test
  void rotatedWeightsAndOtherRoundingsOfInputsAreAsInPlainJava() {
    var random = new Random(9);
    var inner = Weights.groups(4, 32, true, Activations.NONE, DType.F16, 45, 288, random);
    var rounded = Weights.groups(4, 32, true, Activations.FP8_TOKEN, DType.F16, 45, 288, random);
    for (var weight : List.of(new Rotated(32, inner), rounded)) {
      var actual = emitted.prepare(weight, ARENA);
      assertThat(actual.stripe()).isEqualTo(Panel.ROWS);
      assertThat(multiply(actual, 3, 1)).isEqualTo(multiply(SCALAR.prepare(weight, ARENA), 3, 1));
    }
  }

  @ParameterizedTest
  @MethodSource("weights")
  void largeInputsAndNoNumbersAreAsInPlainJava(LinearWeight weight) {
    var expected = SCALAR.prepare(weight, ARENA);
    var actual = emitted.prepare(weight, ARENA);
    for (float factor : new float[] {0, 1e-30f, 1e30f, Float.NaN, Float.POSITIVE_INFINITY}) {
      assertThat(multiply(actual, 14, factor)).isEqualTo(multiply(expected, 14, factor));
    }
  }

  /** One input for several matrices; parts of the rows; gaps between tokens stay as they are. */
  @Test
  void writesNoMoreThanItsRows() {
    var weight = Weights.all(70, 96, 3).getFirst();
    var matrix = emitted.prepare(weight, ARENA);
    for (int tokens : new int[] {5, 13}) {
      var input = input(matrix, tokens, 1);
      long stride = matrix.rows() + 7;
      var whole = filled(3 + tokens * stride);
      matrix.multiply(input, 0, matrix.rows(), whole, 3, stride);
      var parts = filled(3 + tokens * stride);
      matrix.multiply(input, 32, 64, parts, 3, stride);
      for (long i = 0; i < 3 + tokens * stride; i++) {
        long row = (i - 3) % stride;
        boolean inside = i >= 3 && row < matrix.rows();
        assertThat(at(whole, i) != -1).isEqualTo(inside);
        boolean inPart = inside && row >= 32 && row < 64;
        assertThat(at(parts, i)).isEqualTo(inPart ? at(whole, i) : -1);
      }
    }
  }

  private static MemorySegment filled(long elements) {
    var memory = ARENA.allocate(ValueLayout.JAVA_FLOAT, elements);
    for (long i = 0; i < elements; i++) {
      memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, -1);
    }
    return memory;
  }

  private static float at(MemorySegment memory, long element) {
    return memory.getAtIndex(ValueLayout.JAVA_FLOAT, element);
  }

  @Test
  void refusesMemoryThatIsTooSmallOrClosed() {
    var arena = Arena.ofShared();
    var matrix = emitted.prepare(Weights.all(40, 96, 3).getFirst(), arena);
    var input = input(matrix, 2, 1);
    var out = ARENA.allocate(ValueLayout.JAVA_FLOAT, 80);
    assertThatThrownBy(() -> matrix.multiply(input, 0, 40, out, 1, 40))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessage("results up to element 81 of 80");
    assertThatThrownBy(() -> matrix.multiply(input, 16, 40, out, 0, 40))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> matrix.multiply(input, 0, 41, out, 0, 40))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(
            () -> matrix.multiply(input, 0, 40, MemorySegment.ofArray(new float[80]), 0, 40))
        .hasMessage("results go to memory outside the heap");
    arena.close();
    assertThatThrownBy(() -> matrix.multiply(input, 0, 40, out, 0, 40))
        .hasMessage("the memory of weights or results is closed");
  }

  private static Input input(PackedMatrix matrix, int tokens, float factor) {
    var random = new Random(tokens);
    int count = tokens * matrix.columns();
    var values = ARENA.allocate(ValueLayout.JAVA_FLOAT, count);
    for (int i = 0; i < count; i++) {
      boolean other = i % 97 == 0 || factor == 0;
      values.setAtIndex(
          ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian() * (other ? factor : 1));
    }
    var input = new Input(WORKERS);
    input.set(values, tokens, matrix.columns());
    matrix.prepare(input);
    return input;
  }

  private static float[] multiply(PackedMatrix matrix, int tokens, float factor) {
    var out = ARENA.allocate(ValueLayout.JAVA_FLOAT, (long) tokens * matrix.rows());
    var input = input(matrix, tokens, factor);
    WORKERS.run(
        (part, parts) -> {
          int half = Math.min(matrix.rows(), Math.ceilDiv(matrix.rows(), 64) * 32);
          int from = part == 0 ? 0 : half;
          int to = part == 0 ? half : matrix.rows();
          matrix.multiply(input, from, to, out, 0, matrix.rows());
        });
    return out.toArray(ValueLayout.JAVA_FLOAT);
  }
}
