package ai.lathe.runtime.kernel.sparse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.Weights;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.IntBinaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Weights without blocks of 16 rows and 4 columns against the same ones with them. */
class UnitStripesTest {

  private static final Arena ARENA = Arena.ofShared();
  private static final Workers WORKERS = new Workers(2);
  private static final ScalarProvider SCALAR = new ScalarProvider(SparseChoice.ALWAYS);

  /** Of all tiles of a few tokens, and many. */
  private static final int[] TOKENS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 25};

  @AfterAll
  static void close() {
    WORKERS.close();
    ARENA.close();
  }

  static Stream<String> providers() {
    return Providers.offers().stream()
        .filter(offer -> offer.refusal().isEmpty())
        .map(Providers.Offer::name);
  }

  /** Blocks at random; some stripes empty; all kept; larger blocks; columns that are no units. */
  static List<Sparse> weights() {
    var random = new Random(7);
    return List.of(
        sparse(48, 288, 16, 4, (i, j) -> random.nextInt(5) / 4),
        sparse(80, 132, 16, 4, (i, j) -> random.nextInt(2)),
        sparse(80, 64, 16, 4, (i, j) -> i % 2 * random.nextInt(2)),
        sparse(48, 288, 16, 4, (i, j) -> 1),
        sparse(48, 288, 16, 4, (i, j) -> 0),
        sparse(64, 288, 32, 4, (i, j) -> random.nextInt(3) / 2),
        sparse(48, 288, 16, 8, (i, j) -> random.nextInt(3) / 2));
  }

  private static GroupQuantized channels(int rows, int columns) {
    return Weights.groups(
        8, 0, true, Activations.INT8_TOKEN, DType.F32, rows, columns, new Random(rows));
  }

  private static Sparse sparse(
      int rows, int columns, int high, int wide, IntBinaryOperator blockIsKept) {
    return sparse(channels(rows, columns), high, wide, blockIsKept);
  }

  private static Sparse sparse(
      GroupQuantized weight, int high, int wide, IntBinaryOperator blockIsKept) {
    int words = Math.ceilDiv(weight.columns(), 64);
    var bits = new long[weight.rows() * words];
    for (int i = 0; i < weight.rows(); i += high) {
      for (int j = 0; j < weight.columns(); j += wide) {
        long kept = (long) blockIsKept.applyAsInt(i / high, j / wide) * ((1L << wide) - 1);
        for (int row = i; row < i + high; row++) {
          bits[row * words + j / 64] |= kept << j;
        }
      }
    }
    var mask = new Mask(weight.rows(), weight.columns(), bits);
    return Sparse.of(weight, mask, new Pattern.Blocks(high, wide));
  }

  @ParameterizedTest
  @MethodSource("providers")
  void productsAreThoseOfTheDenseWeight(String name) {
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var weight : weights()) {
      var actual = provider.prepare(weight, ARENA);
      assumeTrue(!actual.label().contains("executed dense"), actual.label());
      assertThat(actual.label()).contains("in blocks of 16x4");
      same(actual, SCALAR.prepare(weight.dense(), ARENA));
    }
  }

  /** The least code times the least input, twice in a lane: one more than an int16 holds. */
  @ParameterizedTest
  @MethodSource("providers")
  void theLeastCodesDoNotOverflow(String name) {
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    var weight = channels(48, 288);
    Arrays.fill(weight.codes(), Byte.MIN_VALUE);
    var sparse = sparse(weight, 16, 4, (i, j) -> i == 2 ? j % 2 : 1);
    var values = new float[288];
    Arrays.fill(values, -1);
    assertThat(multiply(provider.prepare(sparse, ARENA), values, 1))
        .isEqualTo(multiply(SCALAR.prepare(sparse.dense(), ARENA), values, 1));
  }

  /** Whatever rows are filled up to whole stripes, which a block pattern does not allow for. */
  @ParameterizedTest
  @ValueSource(ints = {1, 16, 17, 45})
  void stripesAreSpreadOutAsTheyWere(int rows) {
    var weight = channels(rows, 200);
    for (int i = 0; i < rows * 200; i++) {
      if ((i / 200 / 16 + i % 200 / 4) % 3 > 0) {
        weight.codes()[i] = 0;
      }
    }
    var dense = Packing.pack(weight, ARENA);
    var units = UnitStripes.of(dense, ARENA);
    var spread = ARENA.allocate(dense.stripeBytes(), 64).fill((byte) 1);
    for (int s = 0; s < dense.count(); s++) {
      assertThat(units.stripeAt(s) % 64).isZero();
      units.expand(s, spread, 0);
      assertThat(spread.mismatch(dense.codes().asSlice(dense.stripeAt(s), dense.stripeBytes())))
          .isEqualTo(-1);
    }
  }

  /** What is stored is counted: a number, indices, blocks in fours. */
  @Test
  void bytesAreThoseOfWhatIsThere() {
    // 72 blocks in columns, filled up to 80; of these 24, none, and all.
    var packed =
        (UnitStripes)
            SparsePacking.pack(sparse(48, 288, 16, 4, (i, j) -> i == 0 ? j % 3 / 2 : i / 2), ARENA);
    assertThat(packed.blocks()).isEqualTo(24 + 72);
    assertThat(packed.bytes()).isEqualTo(64 + 24 * 64 + 64 + 192 + 72 * 64 + 48 * 4);
    assertThat(packed.label()).isEqualTo("8 bits, 40 % of them in blocks of 16x4");
  }

  @Test
  void otherPatternsAndGroupsHaveMasks() {
    assertThat(SparsePacking.inUnits(sparse(48, 64, 16, 4, (i, j) -> j % 2))).isTrue();
    assertThat(SparsePacking.inUnits(sparse(48, 64, 8, 4, (i, j) -> j % 2))).isFalse();
    assertThat(SparsePacking.inUnits(sparse(48, 64, 16, 2, (i, j) -> j % 2))).isFalse();
    var groups = Weights.groups(8, 32, true, Activations.NONE, DType.F16, 48, 64, new Random(1));
    assertThat(SparsePacking.inUnits(sparse(groups, 16, 4, (i, j) -> j % 2))).isFalse();
  }

  /** What was measured of masks is not true of blocks. */
  @Test
  void theChoiceIsThatOfTheTable() {
    var weight = sparse(1024, 1024, 16, 4, (i, j) -> (i + j) % 5 / 4);
    var verdict = new SparseCosts(_ -> true).verdict("emitted", weight, SparsePacking.form(weight));
    assertThat(verdict.sparse()).isTrue();
    assertThat(verdict.why()).matches("with 80 % zeros it is [3-5]\\.\\d times as fast as dense");
    assertThat(
            SparseChoice.MEASURED
                .verdict("vector", weight, new SparseForm(SparseForm.Kind.BLOCKS, 0.9))
                .why())
        .isEqualTo("with 10 % zeros that is not known to be slower");
  }

  private static void same(PackedMatrix actual, PackedMatrix expected) {
    for (int tokens : TOKENS) {
      var random = new Random(tokens);
      var values = new float[tokens * actual.columns()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextGaussian();
      }
      assertThat(multiply(actual, values, tokens)).isEqualTo(multiply(expected, values, tokens));
      values[values.length / 2] = Float.NaN;
      assertThat(multiply(actual, values, tokens)).isEqualTo(multiply(expected, values, tokens));
    }
  }

  private static float[] multiply(PackedMatrix matrix, float[] values, int tokens) {
    var input = new Input(WORKERS);
    input.set(ARENA.allocateFrom(ValueLayout.JAVA_FLOAT, values), tokens, matrix.columns());
    matrix.prepare(input);
    int rows = matrix.rows();
    var out = ARENA.allocate(ValueLayout.JAVA_FLOAT, (long) tokens * rows);
    int half = Math.min(rows, Math.ceilDiv(rows, 2 * matrix.stripe()) * matrix.stripe());
    WORKERS.run(
        (part, parts) ->
            matrix.multiply(input, part == 0 ? 0 : half, part == 0 ? half : rows, out, 0, rows));
    return out.toArray(ValueLayout.JAVA_FLOAT);
  }
}
