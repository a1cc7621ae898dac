package ai.lathe.runtime.kernel.sparse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks of floats against plain Java's dense product, whose sums are double. */
class SparsePanelsTest {

  private static final VectorProvider VECTOR = new VectorProvider(SparseChoice.ALWAYS);

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void blocksAreMultipliedAsTheirDenseWeights(DType type) {
    for (var pattern : List.of(new Pattern.Blocks(32, 1), new Pattern.Blocks(16, 1))) {
      // The last panel has 16 rows where blocks have; and one keeps nothing.
      int rows = pattern.rows() == 16 ? 112 : 96;
      var weight = weight(type, rows, 200, pattern);
      var actual = VECTOR.prepare(weight, Arena.ofAuto());
      assertThat(actual.label()).contains("of the columns of each");
      var expected = new ScalarProvider().prepare(weight.dense(), Arena.ofAuto());
      for (int tokens : new int[] {1, 2, 8, 21}) {
        var y = multiply(actual, tokens);
        var z = multiply(expected, tokens);
        for (int i = 0; i < y.length; i++) {
          assertThat(y[i]).isCloseTo(z[i], within(2e-5f));
        }
      }
    }
  }

  /** A few columns that all rows of a panel leave out are no reason to keep the other zeros. */
  @Test
  void whatHasNoBlocksHasMasks() {
    var random = new Random(1);
    var mask = mask(32, 200, new Pattern.Blocks(1, 1), random);
    var sparse = Sparse.of(dense(DType.F32, 32, 200, random), mask, Pattern.UNSTRUCTURED);
    assertThat(VECTOR.prepare(sparse, Arena.ofAuto()).label()).contains("30 % of them by a mask");
  }

  private static Sparse weight(DType type, int rows, int columns, Pattern.Blocks pattern) {
    var random = new Random(7);
    var dense = dense(type, rows, columns, random);
    return Sparse.of(dense, mask(rows, columns, pattern, random), pattern);
  }

  private static Dense dense(DType type, int rows, int columns, Random random) {
    var values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian() * 0.1f;
    }
    return new Dense(Tensor.ofFloats(values, rows, columns).to(type, Arena.ofAuto()));
  }

  /** 30 %, but for the rows from 32 to 64. */
  private static Mask mask(int rows, int columns, Pattern.Blocks pattern, Random random) {
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    for (int i = 0; i < rows; i += pattern.rows()) {
      for (int j = 0; j < columns; j++) {
        boolean kept = i / 32 != 1 && random.nextDouble() < 0.3;
        for (int row = i; kept && row < i + pattern.rows(); row++) {
          bits[row * words + j / 64] |= 1L << j;
        }
      }
    }
    return new Mask(rows, columns, bits);
  }

  private static float[] multiply(PackedMatrix matrix, int tokens) {
    try (var workers = new Workers(1)) {
      var random = new Random(tokens);
      var values = new float[tokens * matrix.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      var input = new Input(workers);
      var x = Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, values);
      input.set(x, tokens, matrix.columns());
      matrix.prepare(input);
      var out = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, (long) tokens * matrix.rows());
      matrix.multiply(input, 0, 32, out, 0, matrix.rows());
      matrix.multiply(input, 32, matrix.rows(), out, 0, matrix.rows());
      return out.toArray(ValueLayout.JAVA_FLOAT);
    }
  }
}
