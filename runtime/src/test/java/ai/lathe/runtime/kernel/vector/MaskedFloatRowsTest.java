package ai.lathe.runtime.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.sparse.MaskedRows;
import ai.lathe.runtime.kernel.sparse.SparseChoice;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntBinaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Floats without their zeros against the same ones with them. */
class MaskedFloatRowsTest {

  private static final Arena ARENA = Arena.ofShared();
  private static final Workers WORKERS = new Workers(1);

  /** One; several, read where they are; panels of tokens; panels of weights. */
  private static final int[] TOKENS = {1, 2, 3, 6, 8, 9, 33, 150};

  @AfterAll
  static void close() {
    WORKERS.close();
    ARENA.close();
  }

  /** Rows that are no fours, columns that are no blocks, halves of one, or less; all patterns. */
  private static List<Sparse> weights(DType type) {
    var random = new Random(type.ordinal());
    var all = new ArrayList<Sparse>();
    for (int columns : new int[] {1, 15, 31, 48, 64, 127, 160, 1111}) {
      int rows = columns == 1111 ? 35 : 70;
      all.add(sparse(type, rows, columns, Pattern.UNSTRUCTURED, (i, j) -> random.nextInt(2)));
    }
    all.add(sparse(type, 45, 130, Pattern.UNSTRUCTURED, (i, j) -> random.nextInt(8) / 7));
    all.add(sparse(type, 33, 96, Pattern.UNSTRUCTURED, (i, j) -> i % 3 == 0 ? 0 : (i + j) % 5 / 4));
    all.add(sparse(type, 34, 96, new Pattern.SemiStructured(2, 4), (i, j) -> (j ^ i) & 1));
    all.add(sparse(type, 34, 144, new Pattern.SemiStructured(1, 4), (i, j) -> (i + j) % 4 / 3));
    all.add(sparse(type, 36, 80, new Pattern.Blocks(2, 1), (i, j) -> (i / 2 + j) & 1));
    return all;
  }

  private static Sparse sparse(
      DType type, int rows, int columns, Pattern pattern, IntBinaryOperator keeps) {
    var random = new Random(columns);
    var values = new float[rows * columns];
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        values[i * columns + j] = (float) random.nextGaussian() * 0.1f;
        bits[i * words + j / 64] |= (long) keeps.applyAsInt(i, j) << j;
      }
    }
    // One that is subnormal in float16, and one that is no number where the mask has none.
    values[0] = 1e-6f;
    var dense = new Dense(Tensor.ofFloats(values, rows, columns).to(type, ARENA));
    return Sparse.of(dense, new Mask(rows, columns, bits), pattern);
  }

  static Stream<String> providers() {
    return Providers.offers().stream()
        .filter(offer -> offer.refusal().isEmpty() && !offer.name().equals("scalar"))
        .map(Providers.Offer::name);
  }

  /** To the last bit, because sums are in the same order, for whatever inputs. */
  @ParameterizedTest
  @MethodSource("providers")
  void productsAreThoseOfTheDenseWeight(String name) {
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      for (var weight : weights(type)) {
        var actual = provider.prepare(weight, ARENA);
        var what = weight + " " + actual.label();
        assertThat(actual.label()).as(what).contains("by a mask");
        var expected = provider.prepare(weight.dense(), ARENA);
        for (int tokens : TOKENS) {
          var x = inputs(tokens, weight.columns());
          assertThat(multiply(actual, x, tokens)).as(what).isEqualTo(multiply(expected, x, tokens));
          x[x.length / 2] = Float.POSITIVE_INFINITY;
          assertThat(multiply(actual, x, tokens)).as(what).isEqualTo(multiply(expected, x, tokens));
        }
      }
    }
  }

  /** What machines compute whose compiler does not spread vectors out. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void plainJavaSpreadsOutTheSame(DType type) {
    for (var weight : weights(type)) {
      var plain = new FloatMatrix(new MaskedFloatRows(MaskedRows.of(weight, ARENA), false));
      var expected = new VectorProvider().prepare(weight.dense(), ARENA);
      for (int tokens : TOKENS) {
        var x = inputs(tokens, weight.columns());
        assertThat(multiply(plain, x, tokens)).isEqualTo(multiply(expected, x, tokens));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void productsAreThoseOfPlainJava(String name) {
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var weight : weights(DType.BF16)) {
      var actual = provider.prepare(weight, ARENA);
      var expected = new ScalarProvider().prepare(weight.dense(), ARENA);
      for (int tokens : TOKENS) {
        var x = inputs(tokens, weight.columns());
        var y = multiply(actual, x, tokens);
        var z = multiply(expected, x, tokens);
        for (int i = 0; i < y.length; i++) {
          assertThat(y[i]).isCloseTo(z[i], within(2e-5f));
        }
      }
    }
  }

  private static float[] inputs(int tokens, int columns) {
    var random = new Random(tokens);
    var values = new float[tokens * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static float[] multiply(PackedMatrix matrix, float[] values, int tokens) {
    var input = new Input(WORKERS);
    input.set(ARENA.allocateFrom(ValueLayout.JAVA_FLOAT, values), tokens, matrix.columns());
    matrix.prepare(input);
    int rows = matrix.rows();
    var out = ARENA.allocate(ValueLayout.JAVA_FLOAT, (long) tokens * rows);
    matrix.multiply(input, 0, 32, out, 0, rows);
    matrix.multiply(input, 32, rows, out, 0, rows);
    return out.toArray(ValueLayout.JAVA_FLOAT);
  }
}
