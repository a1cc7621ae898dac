package ai.lathe.runtime.kernel.emitted;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.Heads;
import ai.lathe.runtime.kernel.scalar.ScalarAttention;
import ai.lathe.runtime.kernel.scalar.ScalarRowMath;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;

/**
 * Holds machine code for floats against plain Java, within what rounding explains, before a model's
 * results depend on it. Tests of this module hold it against the vector provider, to the last bit.
 */
final class FloatSelfTest {

  /** Of numbers about 1, after sums of a few dozen. */
  private static final double TOLERANCE = 1e-5;

  /** Two vectors and some lanes of a third. */
  private static final int COUNT = 37;

  private FloatSelfTest() {}

  /** Every operation on rows that is machine code. */
  static void rows(RowMath emitted) throws Unavailable {
    var plain = new ScalarRowMath();
    try (var arena = Arena.ofConfined()) {
      operation("norm", emitted, plain, arena, (m, x) -> m.rmsNorm(x, 0, x, 1e-5f, COUNT, x, 0));
      operation("sum", emitted, plain, arena, (m, x) -> m.add(x, 0, x, COUNT, COUNT));
      operation("factor", emitted, plain, arena, (m, x) -> m.scale(x, 1, 0.3f, COUNT));
      operation(
          "scaled sum", emitted, plain, arena, (m, x) -> m.addScaled(x, 1, 0.3f, x, 40, COUNT));
      operation("turn", emitted, plain, arena, (m, x) -> m.rotate(x, 0, x, x, 2 * COUNT, COUNT));
      for (var f : new Activation[] {Activation.SILU, Activation.GELU_TANH}) {
        operation("activation", emitted, plain, arena, (m, x) -> m.activate(f, x, 3, COUNT));
        operation("gate", emitted, plain, arena, (m, x) -> m.gate(f, x, 0, x, COUNT, COUNT));
      }
    }
  }

  private static void operation(
      String name,
      RowMath emitted,
      RowMath plain,
      Arena arena,
      BiConsumer<RowMath, MemorySegment> call)
      throws Unavailable {
    var actual = random(3 * COUNT, 7, arena);
    var expected = arena.allocate(actual.byteSize(), 64).copyFrom(actual);
    call.accept(emitted, actual);
    call.accept(plain, expected);
    compare(name, actual, expected);
  }

  /** Of {@link DenseKernel}. */
  static void dense(MemorySegment function, DType type) throws Unavailable {
    int rows = 2 * DenseKernel.ROWS + 2;
    try (var arena = Arena.ofConfined()) {
      var data = arena.allocate(type.bytes((long) rows * COUNT), 64);
      var random = new SplittableRandom(3);
      for (int i = 0; i < rows * COUNT; i++) {
        float value = (float) random.nextDouble(-1, 1);
        switch (type) {
          case F32 -> data.setAtIndex(JAVA_FLOAT, i, value);
          case BF16 ->
              data.set(JAVA_SHORT, 2L * i, (short) (Float.floatToRawIntBits(value) >>> 16));
          default -> data.set(JAVA_SHORT, 2L * i, Float.floatToFloat16(value));
        }
      }
      var weights = new Tensor(type, new long[] {rows, COUNT}, data).toFloats();
      var x = random(COUNT, 5, arena);
      var actual = arena.allocate(JAVA_FLOAT, rows);
      var expected = arena.allocate(JAVA_FLOAT, rows);
      for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int i = 0; i < COUNT; i++) {
          sum += (double) weights[r * COUNT + i] * x.getAtIndex(JAVA_FLOAT, i);
        }
        expected.setAtIndex(JAVA_FLOAT, r, (float) sum);
      }
      NativeCall.call(
          function,
          data.address(),
          x.address(),
          actual.address(),
          rows / DenseKernel.ROWS,
          rows % DenseKernel.ROWS,
          rows / DenseKernel.ROWS * type.bytes(COUNT),
          COUNT / 16,
          COUNT % 16);
      compare("product of " + type, actual, expected);
    }
  }

  /** More rows than are computed at once, over two pages. */
  static void attention(AttentionKernels kernels, int keySize, int valueSize, DType type)
      throws Unavailable {
    int group = AttentionKernels.ROWS + 1;
    int positions = 70;
    var shape =
        new AttentionShape(
            group, 1, keySize, valueSize, 1 / Math.sqrt(keySize), 0, true, positions);
    var layout = new FloatKeyValues(type, 1, keySize, valueSize);
    try (var arena = Arena.ofConfined()) {
      var page = new MemorySegment[] {null, null};
      var keys = heads(1, keySize, positions, 11, arena);
      var values = heads(1, valueSize, positions, 12, arena);
      for (int i = 0; i < page.length; i++) {
        page[i] = arena.allocate(layout.bytes(), 64);
        int first = i * FloatKeyValues.POSITIONS;
        int count = Math.min(FloatKeyValues.POSITIONS, positions - first);
        layout.store(keys, values, first, count, 0, page[i], 0);
      }
      var task = new AttentionTask();
      task.queries = heads(group, keySize, 1, 13, arena);
      task.position = positions - 1;
      task.tokens = 1;
      task.length = positions;
      task.to = positions;
      task.pages = page;
      task.table = new int[] {0, 1};
      task.out = arena.allocate(JAVA_FLOAT, (long) group * valueSize);
      var plain = new ScalarAttention(shape, layout);
      new EmittedAttention(shape, layout, kernels, plain).attend(task);
      var actual = task.out;
      task.out = arena.allocate(JAVA_FLOAT, (long) group * valueSize);
      plain.attend(task);
      compare("attention", actual, task.out);
    }
  }

  private static Heads heads(int count, int size, int tokens, int seed, Arena arena) {
    int width = count * size;
    return new Heads(random(tokens * width, seed, arena), 0, width, size, count);
  }

  private static MemorySegment random(int count, int seed, Arena arena) {
    var random = new SplittableRandom(seed);
    var values = arena.allocate(JAVA_FLOAT, count);
    for (int i = 0; i < count; i++) {
      values.setAtIndex(JAVA_FLOAT, i, (float) random.nextDouble(-2, 2));
    }
    return values;
  }

  private static void compare(String what, MemorySegment actual, MemorySegment expected)
      throws Unavailable {
    for (long i = 0; i < expected.byteSize() / Float.BYTES; i++) {
      float a = actual.getAtIndex(JAVA_FLOAT, i);
      float e = expected.getAtIndex(JAVA_FLOAT, i);
      if (!(Math.abs(a - e) <= TOLERANCE * Math.max(1, Math.abs(e)))) {
        throw new Unavailable(
            "the kernel of a %s computes %s where %s is right".formatted(what, a, e), true);
      }
    }
  }
}
