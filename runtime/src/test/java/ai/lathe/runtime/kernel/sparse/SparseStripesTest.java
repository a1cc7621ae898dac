package ai.lathe.runtime.kernel.sparse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
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

/** Weights without their zeros against the same ones with them, to the last bit. */
class SparseStripesTest {

  private static final Arena ARENA = Arena.ofShared();
  private static final Workers WORKERS = new Workers(2);
  private static final ScalarProvider SCALAR = new ScalarProvider(SparseChoice.ALWAYS);

  /** Few, the borders of tiles, and many. */
  private static final int[] TOKENS = {1, 4, 5, 12, 13, 25};

  @AfterAll
  static void close() {
    WORKERS.close();
    ARENA.close();
  }

  static Stream<String> providers() {
    return Stream.of("scalar", "vector", "emitted");
  }

  private record Case(String name, Sparse weight) {
    @Override
    public String toString() {
      return name;
    }
  }

  static List<Case> cases() {
    var random = new Random(11);
    var cases = new ArrayList<Case>();
    for (int bits = 2; bits <= 8; bits += 2) {
      cases.add(some("codes of " + bits + " bits", 0.5, groups(bits, 32, Activations.NONE)));
    }
    cases.add(some("groups of 16", 0.5, groups(8, 16, Activations.NONE)));
    cases.add(some("groups of 64", 0.7, groups(8, 64, Activations.NONE)));
    cases.add(some("channels, inputs in blocks", 0.5, groups(8, 0, Activations.NONE)));
    cases.add(some("channels, inputs by token", 0.75, groups(8, 0, Activations.INT8_TOKEN)));
    cases.add(some("inputs in 8-bit floats", 0.5, groups(8, 32, Activations.FP8_TOKEN)));
    cases.add(some("full", 0, groups(8, 0, Activations.INT8_TOKEN)));
    cases.add(some("empty", 1, groups(8, 0, Activations.INT8_TOKEN)));
    cases.add(some("empty groups", 1, groups(8, 32, Activations.NONE)));
    var weight = groups(8, 0, Activations.INT8_TOKEN);
    cases.add(
        new Case(
            "every third row",
            Sparse.of(weight, mask((i, j) -> i % 3 == 0 ? 1 : 0), Pattern.UNSTRUCTURED)));
    cases.add(
        new Case(
            "2:4",
            Sparse.of(
                weight,
                mask((i, j) -> (i + j / 4) % 2 == j % 2 ? 1 : 0),
                new Pattern.SemiStructured(2, 4))));
    cases.add(
        new Case(
            "16x4 in groups",
            Sparse.of(
                Weights.groups(8, 32, true, Activations.NONE, DType.F16, 48, 288, random),
                mask(48, 288, (i, j) -> (i / 16 + j / 4) % 5 == 0 ? 1 : 0),
                new Pattern.Blocks(16, 4))));
    return cases;
  }

  private static GroupQuantized groups(int bits, int group, Activations activations) {
    return Weights.groups(bits, group, true, activations, DType.F16, 45, 288, new Random(bits));
  }

  private static Case some(String name, double sparsity, GroupQuantized weight) {
    var random = new Random(5);
    var mask = mask((i, j) -> random.nextDouble() < sparsity ? 0 : 1);
    return new Case(name, Sparse.of(weight, mask, Pattern.UNSTRUCTURED));
  }

  private static Mask mask(IntBinaryOperator keeps) {
    return mask(45, 288, keeps);
  }

  private static Mask mask(int rows, int columns, IntBinaryOperator keeps) {
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        bits[i * words + j / 64] |= (long) keeps.applyAsInt(i, j) << j;
      }
    }
    return new Mask(rows, columns, bits);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void plainJavaIsTheDenseKernel(Case sparse) {
    var weight = sparse.weight();
    var actual = SCALAR.prepare(weight, ARENA);
    assertThat(actual.label()).contains("by a mask");
    same(actual, SCALAR.prepare(weight.dense(), ARENA), 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"vector", "emitted"})
  void othersAreAsPlainJava(String name) {
    assumeRuns(name);
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var sparse : cases()) {
      var weight = sparse.weight();
      var actual = provider.prepare(weight, ARENA);
      assertThat(actual.label()).as(sparse.name()).contains("by a mask");
      same(actual, SCALAR.prepare(weight.dense(), ARENA), 1);
    }
  }

  /** Where inputs are zeros, tiny, huge or no numbers. */
  @ParameterizedTest
  @ValueSource(strings = {"scalar", "vector", "emitted"})
  void largeInputsAndNoNumbersAreAsDense(String name) {
    assumeRuns(name);
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var sparse : cases().subList(6, 8)) {
      var actual = provider.prepare(sparse.weight(), ARENA);
      var expected = provider.prepare(sparse.weight().dense(), ARENA);
      for (float factor : new float[] {0, 1e-30f, 1e30f, Float.NaN}) {
        same(actual, expected, factor, 1, 13);
      }
    }
  }

  /** The least code times the least input, twice in a lane: one more than an int16 holds. */
  @ParameterizedTest
  @ValueSource(strings = {"vector", "emitted"})
  void theLeastCodesDoNotOverflow(String name) {
    assumeRuns(name);
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    for (var activations : List.of(Activations.NONE, Activations.INT8_TOKEN)) {
      var weight = groups(8, activations == Activations.NONE ? 32 : 0, activations);
      Arrays.fill(weight.codes(), Byte.MIN_VALUE);
      var sparse = some("least", 0.1, weight).weight();
      var values = new float[288];
      Arrays.fill(values, -1);
      assertThat(multiply(provider.prepare(sparse, ARENA), values, 1))
          .isEqualTo(multiply(SCALAR.prepare(sparse.dense(), ARENA), values, 1));
    }
  }

  /** Zero points are taken away before, so a kept code may become a zero of its own. */
  @ParameterizedTest
  @MethodSource("providers")
  void zeroPointsAreTakenAway(String name) {
    assumeRuns(name);
    var provider = Providers.choose(name, SparseChoice.ALWAYS);
    var random = new Random(3);
    var weight = Weights.groups(4, 32, false, Activations.NONE, DType.F16, 45, 288, random);
    var sparse = some("zeros", 0.5, weight).weight();
    var actual = provider.prepare(sparse, ARENA);
    assertThat(actual.label()).contains("by a mask");
    same(actual, SCALAR.prepare(SparsePacking.lifted(sparse, 0, 45), ARENA), 1);
    var wide = Weights.groups(8, 32, false, Activations.NONE, DType.F16, 45, 288, random);
    assertThat(provider.prepare(some("wide", 0.5, wide).weight(), ARENA).label())
        .contains("executed dense because there is no kernel for int8 g32 asym");
  }

  /** By what was measured; what is chosen and why is in the label. */
  @Test
  void theChoiceIsThatOfTheTable() {
    var weight = some("half", 0.5, groups(8, 0, Activations.INT8_TOKEN)).weight();
    assertThat(new ScalarProvider().prepare(weight, ARENA).label())
        .contains("executed dense because plain Java gains nothing by leaving out zeros");
    for (var name : List.of("vector", "emitted")) {
      var verdict = new SparseCosts(_ -> true).verdict(name, weight, SparsePacking.form(weight));
      assertThat(verdict.sparse()).isFalse();
      assertThat(verdict.why()).isEqualTo("so small a weight stays in a cache");
      assertThat(large(name, 8, 0.75).sparse()).isTrue();
      assertThat(large(name, 8, 0.75).why())
          .matches("with 75 % zeros it is [12]\\.\\d times as fast as dense");
      assertThat(large(name, 8, 0.1).why())
          .isEqualTo("with 10 % zeros that is not known to be slower");
    }
    assertThat(large("vector", 4, 0.75).sparse()).isFalse();
  }

  /** What is slower for many tokens is held with its zeros too, where there is memory for it. */
  @Test
  void theChoiceIsOfTheNumberOfTokens() {
    var weight = Weights.groups(8, 0, true, Activations.NONE, DType.F16, 1024, 1024, new Random());
    var mask = mask(1024, 1024, (i, j) -> (i + j) % 4 / 3);
    var sparse = Sparse.of(weight, mask, Pattern.UNSTRUCTURED);
    var form = SparsePacking.form(sparse);
    var asked = new long[1];
    var roomy =
        new SparseCosts(
            bytes -> {
              asked[0] = bytes;
              return true;
            });
    var verdict = roomy.verdict("emitted", sparse, form);
    assertThat(verdict.sparse()).isTrue();
    assertThat(verdict.most()).isEqualTo(1);
    assertThat(asked[0]).isEqualTo(weight.encoding().bytes(1024, 1024));
    var tight = new SparseCosts(_ -> false).verdict("emitted", sparse, form);
    assertThat(tight.most()).isEqualTo(Integer.MAX_VALUE);
    assertThat(tight.why())
        .endsWith("for one token; there is no memory to hold it with its zeros too, for more");
  }

  @ParameterizedTest
  @MethodSource("providers")
  void aWeightHeldTwiceComputesTheSame(String name) {
    assumeRuns(name);
    var provider = Providers.choose(name, (_, _, _) -> SparseChoice.Verdict.sparse(2, "of a test"));
    for (var kind :
        List.of(groups(8, 0, Activations.INT8_TOKEN), groups(8, 32, Activations.NONE))) {
      var weight = some("half", 0.5, kind).weight();
      var actual = provider.prepare(weight, ARENA);
      assertThat(actual.label())
          .containsPattern(
              "by a mask.*; with more than 2 tokens 8 bits.*; sparse because of a test");
      same(actual, SCALAR.prepare(weight.dense(), ARENA), 1, 1, 2, 3, 8, 30);
    }
  }

  private static SparseChoice.Verdict large(String provider, int bits, double sparsity) {
    var weight =
        Weights.groups(bits, 0, true, Activations.NONE, DType.F16, 1024, 1024, new Random());
    int kept = (int) (100 * (1 - sparsity));
    var mask = mask(1024, 1024, (i, j) -> (1024 * i + j) % 100 < kept ? 1 : 0);
    var sparse = Sparse.of(weight, mask, Pattern.UNSTRUCTURED);
    return new SparseCosts(_ -> true).verdict(provider, sparse, SparsePacking.form(sparse));
  }

  /** What is stored of a weight is counted: masks, sides and codes that are there. */
  @Test
  void bytesAreThoseOfWhatIsThere() {
    var weight = some("half", 0.5, groups(8, 32, Activations.NONE)).weight();
    var dense = (GroupQuantized) weight.dense();
    var packed = (SparseStripes) SparsePacking.pack(weight, ARENA);
    int zeros = 0;
    int stored = 0;
    for (int i = 0; i < 45; i++) {
      for (int j = 0; j < 288; j++) {
        zeros += weight.mask().keeps(i, j) && dense.codes()[i * 288 + j] == 0 ? 1 : 0;
      }
    }
    assertThat(packed.kept()).isEqualTo(weight.mask().kept() - zeros);
    for (int s = 0; s < 3; s++) {
      int codes = 0;
      for (int i = 16 * s; i < Math.min(16 * s + 16, 45); i++) {
        for (int j = 0; j < 288; j++) {
          codes += dense.codes()[i * 288 + j] != 0 ? 1 : 0;
        }
      }
      stored += Math.ceilDiv(5 * (128 + 64) + codes, 64) * 64;
    }
    assertThat(packed.bytes()).isEqualTo(stored + 48 * 4);
  }

  private static void assumeRuns(String name) {
    assumeTrue(
        Providers.offers().stream()
            .anyMatch(offer -> offer.name().equals(name) && offer.refusal().isEmpty()));
    assumeTrue(
        !Providers.choose(name, SparseChoice.ALWAYS)
            .prepare(cases().getFirst().weight(), ARENA)
            .label()
            .contains("executed dense"));
  }

  private static void same(
      PackedMatrix actual, PackedMatrix expected, float factor, int... counts) {
    for (int tokens : counts.length == 0 ? TOKENS : counts) {
      var random = new Random(tokens);
      var values = new float[tokens * actual.columns()];
      for (int i = 0; i < values.length; i++) {
        boolean other = i % 97 == 0 || factor == 0;
        values[i] = (float) random.nextGaussian() * (other ? factor : 1);
      }
      assertThat(multiply(actual, values, tokens)).isEqualTo(multiply(expected, values, tokens));
    }
  }

  private static float[] multiply(PackedMatrix matrix, float[] values, int tokens) {
    var input = new Input(WORKERS);
    var x = ARENA.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    input.set(x, tokens, matrix.columns());
    matrix.prepare(input);
    MemorySegment out = ARENA.allocate(ValueLayout.JAVA_FLOAT, (long) tokens * matrix.rows());
    int rows = matrix.rows();
    int half = Math.min(rows, Math.ceilDiv(rows, 2 * matrix.stripe()) * matrix.stripe());
    WORKERS.run(
        (part, parts) ->
            matrix.multiply(input, part == 0 ? 0 : half, part == 0 ? half : rows, out, 0, rows));
    return out.toArray(ValueLayout.JAVA_FLOAT);
  }
}
