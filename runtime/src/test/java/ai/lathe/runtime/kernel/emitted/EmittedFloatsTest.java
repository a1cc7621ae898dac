package ai.lathe.runtime.kernel.emitted;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.runtime.kernel.vector.VectorRounding;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.function.BiConsumer;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Floats by machine code against the vector provider with vectors of 512 bits, bit for bit. */
class EmittedFloatsTest {

  private static final int[][] SHAPES = {{1, 1}, {3, 5}, {5, 16}, {33, 17}, {70, 131}, {9, 300}};

  private static final Arena ARENA = Arena.ofShared();
  private static final Workers WORKERS = new Workers(2);
  private static final VectorProvider VECTOR = new VectorProvider();
  private static EmittedProvider emitted;

  @BeforeAll
  static void open() {
    assumeTrue(FloatVector.SPECIES_PREFERRED.length() == 16);
    try {
      emitted = EmittedProvider.open(VECTOR, VectorRounding::new);
    } catch (Unavailable e) {
      abort("machine code cannot run here: " + e.getMessage());
    }
  }

  @AfterAll
  static void close() {
    WORKERS.close();
    ARENA.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void productsOfAllShapes(DType type) {
    for (var shape : SHAPES) {
      for (boolean heap : new boolean[] {false, true}) {
        var weight = dense(type, shape[0], shape[1], heap);
        var actual = emitted.prepare(weight, ARENA);
        assertThat(actual).isInstanceOf(EmittedDense.class);
        var expected = VECTOR.prepare(weight, ARENA);
        for (int tokens : new int[] {1, 2, 3, 4, 6, 8, 9, 17, 40, 129}) {
          assertThat(multiply(actual, tokens))
              .as("%s of %d x %d, %d tokens", type, shape[0], shape[1], tokens)
              .isEqualTo(multiply(expected, tokens));
        }
      }
    }
  }

  /** Any bits but those of no number; one column picks them out. */
  @ParameterizedTest
  @EnumSource(names = {"BF16", "F16"})
  void storedNumbersOfAllMagnitudes(DType type) {
    var data = ARENA.allocate(2 << 16, 64);
    for (int i = 0; i < 1 << 16; i++) {
      int exponent = type == DType.F16 ? 0x7C00 : 0x7F80;
      data.set(JAVA_SHORT_UNALIGNED, 2L * i, (short) ((i & exponent) == exponent ? 0 : i));
    }
    var weight = new Dense(new Tensor(type, new long[] {1 << 16, 1}, data));
    var input = new Input(WORKERS);
    var one = ARENA.allocate(JAVA_FLOAT, 1);
    one.set(JAVA_FLOAT, 0, 1);
    input.set(one, 1, 1);
    var out = ARENA.allocate(JAVA_FLOAT, 1 << 16);
    var matrix = emitted.prepare(weight, ARENA);
    matrix.prepare(input);
    matrix.multiply(input, 0, 1 << 16, out, 0, 1 << 16);
    var expected = weight.tensor().toFloats();
    for (int i = 0; i < expected.length; i++) {
      expected[i] += 0; // a sum that began with zero is never minus zero
    }
    assertThat(out.toArray(JAVA_FLOAT)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 16, 17, 31, 32, 40, 64, 250, 1100})
  void rows(int n) {
    operation(n, (m, x) -> m.rmsNorm(x, 1, x, 1e-5f, n, x, 2 * n));
    operation(n, (m, x) -> x.setAtIndex(JAVA_FLOAT, 0, m.dot(x, 1, x, n, n)));
    operation(n, (m, x) -> m.add(x, 0, x, n, n));
    operation(n, (m, x) -> m.scale(x, 3, 0.3f, n));
    operation(n, (m, x) -> m.addScaled(x, 1, -0.7f, x, n + 1, n));
    operation(n, (m, x) -> m.rotate(x, 0, x, x, 2 * n, n));
    operation(n, (m, x) -> m.layerNorm(x, 0, x, x, 1e-5f, n, x, 2 * n));
    operation(n, (m, x) -> m.softmax(x, 2, n));
    operation(n, (m, x) -> m.cap(x, 2, 3, n));
    for (var f : Activation.values()) {
      operation(n, (m, x) -> m.activate(f, x, 5, n));
      operation(n, (m, x) -> m.gate(f, x, 0, x, n + 2, n));
    }
  }

  /** Of all sizes, subnormal and no numbers among them. */
  @Test
  void activationsOfAnything() {
    var x = ARENA.allocate(JAVA_FLOAT, 1 << 16);
    for (int i = 0; i < 1 << 16; i++) {
      x.setAtIndex(JAVA_FLOAT, i, Float.intBitsToFloat(i << 16 | 0x1234));
    }
    for (var f : new Activation[] {Activation.SILU, Activation.GELU_TANH}) {
      var actual = ARENA.allocate(x.byteSize(), 64).copyFrom(x);
      var expected = ARENA.allocate(x.byteSize(), 64).copyFrom(x);
      emitted.rows().activate(f, actual, 0, 1 << 16);
      VECTOR.rows().activate(f, expected, 0, 1 << 16);
      assertThat(actual.toArray(JAVA_FLOAT)).isEqualTo(expected.toArray(JAVA_FLOAT));
    }
  }

  @Test
  void nothingIsTouchedOutsideOfRows() {
    var rows = emitted.rows();
    var x = ARENA.allocate(JAVA_FLOAT, 20);
    assertThatThrownBy(() -> rows.scale(x, 4, 1, 17)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> rows.add(x, 0, x, -1, 3))
        .isInstanceOf(IndexOutOfBoundsException.class);
    var heap = MemorySegment.ofArray(new float[20]);
    assertThatThrownBy(() -> rows.scale(heap, 0, 1, 4)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> rows.scale(x.asReadOnly(), 0, 1, 4))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static void operation(int n, BiConsumer<RowMath, MemorySegment> call) {
    var actual = random(4 * n + 8, n);
    var expected = ARENA.allocate(actual.byteSize(), 64).copyFrom(actual);
    call.accept(emitted.rows(), actual);
    call.accept(VECTOR.rows(), expected);
    assertThat(actual.toArray(JAVA_FLOAT)).isEqualTo(expected.toArray(JAVA_FLOAT));
  }

  private static MemorySegment random(int count, long seed) {
    var random = new Random(seed);
    var values = ARENA.allocate(JAVA_FLOAT, count);
    for (int i = 0; i < count; i++) {
      values.setAtIndex(JAVA_FLOAT, i, (float) (2 * random.nextGaussian()));
    }
    return values;
  }

  private static Dense dense(DType type, int rows, int columns, boolean heap) {
    int count = rows * columns;
    var floats = random(count, count);
    // At an odd address, as in a file.
    var data =
        heap
            ? MemorySegment.ofArray(new byte[(int) type.bytes(count)])
            : ARENA.allocate(type.bytes(count) + 1, 64).asSlice(1);
    for (int i = 0; i < count; i++) {
      float value = floats.getAtIndex(JAVA_FLOAT, i);
      switch (type) {
        case F32 -> data.set(JAVA_FLOAT_UNALIGNED, 4L * i, value);
        case BF16 ->
            data.set(JAVA_SHORT_UNALIGNED, 2L * i, (short) (Float.floatToRawIntBits(value) >>> 16));
        default -> data.set(JAVA_SHORT_UNALIGNED, 2L * i, Float.floatToFloat16(value));
      }
    }
    return new Dense(new Tensor(type, new long[] {rows, columns}, data));
  }

  private static float[] multiply(PackedMatrix matrix, int tokens) {
    var input = new Input(WORKERS);
    input.set(random(tokens * matrix.columns(), tokens), tokens, matrix.columns());
    int stride = matrix.rows() + 3;
    var out = ARENA.allocate(JAVA_FLOAT, 2 + (long) tokens * stride);
    matrix.prepare(input);
    int half = matrix.rows() / 2 / matrix.stripe() * matrix.stripe();
    matrix.multiply(input, 0, half, out, 2, stride);
    matrix.multiply(input, half, matrix.rows(), out, 2, stride);
    return out.toArray(JAVA_FLOAT);
  }
}
