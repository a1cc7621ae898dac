package ai.lathe.runtime.kernel.composite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.composite.ProductChoice.Verdict;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProductCostsTest {

  private static final ProductCosts WITH_ROOM = new ProductCosts(_ -> true);
  private static final ProductCosts WITHOUT_ROOM = new ProductCosts(_ -> false);

  private static Dense zeros(DType type, int rows, int columns) {
    var data = Arena.ofAuto().allocate(type.bytes((long) rows * columns), 64);
    return new Dense(new Tensor(type, new long[] {rows, columns}, data));
  }

  private static Product lowRank(DType type, int rows, int columns, int rank) {
    return Product.lowRank(zeros(type, rows, rank), zeros(type, rank, columns));
  }

  /** Two cores on one grid, which take as many multiplications as half of the matrix. */
  private static Product cores() {
    var tensor = Tensor.ofFloats(new float[32 * 32], 32, 32);
    return new Product(List.of(ModeMatrix.shared(tensor, 2, 64), ModeMatrix.shared(tensor, 64, 2)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"vector", "emitted", "scalar"})
  void halfOfTheRankIsRunAsItIs(String provider) {
    for (var type : List.of(DType.F32, DType.BF16, DType.F16)) {
      var verdict = WITH_ROOM.verdict(provider, lowRank(type, 2048, 2048, 512));
      assertThat(verdict.few()).isTrue();
      assertThat(verdict.many()).isTrue();
      assertThat(verdict.heldTwice()).isFalse();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"vector", "emitted", "scalar"})
  void whatTakesMoreMultiplicationsThanTheMatrixIsMultipliedOut(String provider) {
    var verdict = WITHOUT_ROOM.verdict(provider, lowRank(DType.F32, 512, 512, 400));
    assertThat(verdict.few()).isFalse();
    assertThat(verdict.many()).isFalse();
    assertThat(verdict.why()).startsWith("with one token factors are 0.");
  }

  /** 1.6 times the multiplications, of half the bytes that a float32 has. */
  @Test
  void halvesOfManyRanksAreReadFasterByOneTokenThanFloatsOfTheWhole() {
    var product = lowRank(DType.BF16, 2048, 2048, 1400);
    assertThat(WITH_ROOM.verdict("vector", product))
        .isEqualTo(
            new Verdict(
                true,
                false,
                1,
                "with one token factors are 1.1 times as fast as multiplied out, with 512 0.7"
                    + " times"));
    var alone = WITHOUT_ROOM.verdict("vector", product);
    assertThat(alone.few()).isTrue();
    assertThat(alone.many()).isTrue();
    assertThat(alone.why()).endsWith("there is no memory to hold it multiplied out too");
    assertThat(WITH_ROOM.verdict("scalar", product).few()).isFalse();
  }

  @Test
  void coresThatReadFewInputsAreMultipliedOutForManyTokens() {
    double all = ProductCosts.cost("scalar", cores(), 0);
    assertThat(all).isEqualTo(Composites.multiplications(cores()) + 10_000);
    assertThat(ProductCosts.cost("vector", cores(), 2)).isGreaterThan(5 * all);
    assertThat(ProductCosts.cost("emitted", cores(), 2))
        .isEqualTo(ProductCosts.cost("vector", cores(), 2));
  }

  /** Large blocks are read from codes; small ones are decoded, and cost what numbers do. */
  @Test
  void blocksInCodesCostWhatRunsThem() {
    for (int bits : new int[] {8, 4}) {
      double codes = ProductCosts.cost("emitted", blocks(256, Optional.of(bits)), 0);
      assertThat(codes)
          .isLessThan(0.5 * ProductCosts.cost("emitted", blocks(256, Optional.empty()), 0));
      assertThat(ProductCosts.cost("emitted", blocks(64, Optional.of(bits)), 0))
          .isEqualTo(ProductCosts.cost("emitted", blocks(64, Optional.empty()), 0));
    }
  }

  private static Product blocks(int size, Optional<Integer> bits) {
    LinearWeight rows =
        bits.<LinearWeight>map(
                width ->
                    new GroupQuantized(
                        new IntegerScheme(width, 0, true, Activations.NONE),
                        4 * size,
                        size,
                        new byte[4 * size * size],
                        Tensor.ofFloats(new float[4 * size], 4 * size, 1),
                        null))
            .orElseGet(() -> zeros(DType.F16, 4 * size, size));
    return new Product(
        List.of(new ModeMatrix(rows, false, true, 1, 4), new ModeMatrix(rows, true, false, 4, 1)));
  }

  /** Threads change once between two factors where the last one is worth their while. */
  @Test
  void aHandOverCountsWhereThreadsShareTheLastFactor() {
    double small = ProductCosts.cost("vector", lowRank(DType.F32, 256, 256, 200), 0);
    double large = ProductCosts.cost("vector", lowRank(DType.F32, 256, 512, 200), 0);
    assertThat(large - small).isEqualTo(10_000 + 1.1 * 256 * 200, within(1e-6));
  }

  /** A mask is as fast as the table of sparse weights says; short rows are run dense. */
  @Test
  void aSparseFactorCostsWhatItsExecutionDoes() {
    double dense = ProductCosts.cost("vector", lowRank(DType.BF16, 2048, 1024, 1024), 0);
    double sparse = ProductCosts.cost("vector", dictionary(2048, 1024), 0);
    assertThat(dense - sparse).isCloseTo(0.67 * 2048 * 1024 * (1 - 1 / 1.45), within(1.0));
    assertThat(ProductCosts.cost("vector", dictionary(4096, 512), 0))
        .isEqualTo(ProductCosts.cost("vector", lowRank(DType.BF16, 4096, 1024, 512), 0));
  }

  private static Product dictionary(int rows, int atoms) {
    var words = IntStream.range(0, rows * atoms / 64).mapToLong(_ -> 0x5555555555555555L).toArray();
    LinearWeight first =
        Sparse.of(
            zeros(DType.BF16, rows, atoms), new Mask(rows, atoms, words), Pattern.UNSTRUCTURED);
    return new Product(List.of(first, zeros(DType.BF16, atoms, 1024)));
  }
}
