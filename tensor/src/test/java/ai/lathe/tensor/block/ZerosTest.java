package ai.lathe.tensor.block;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Zeros;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ZerosTest {

  private static final int ROWS = 12;
  private static final int COLUMNS = 512;

  static Stream<BlockType> types() {
    return BlockTypes.all().stream();
  }

  /** Half of each row is zero; types that promise so keep exactly these. */
  private static Matrix half() {
    var random = new Random(9);
    var matrix = Matrix.zeros(ROWS, COLUMNS);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
      // Lopsided, as offsets are for.
      matrix.values()[i] = random.nextBoolean() ? 0 : (float) random.nextGaussian() + 0.7f;
    }
    return matrix;
  }

  @ParameterizedTest
  @MethodSource("types")
  void zerosStayWhereTheTypeSaysSo(BlockType type) {
    var matrix = half();
    var data = MemorySegment.ofArray(new byte[(int) type.bytes(ROWS, COLUMNS)]);
    for (int row = 0; row < ROWS; row++) {
      BlockEncoder.encode(
          type, matrix.values(), row * COLUMNS, COLUMNS, null, data, type.bytes(row, COLUMNS));
    }
    var back = new BlockQuantized(type, ROWS, COLUMNS, data).decode();
    boolean kept = true;
    for (int i = 0; i < ROWS * COLUMNS; i++) {
      kept &= matrix.values()[i] != 0 || back.values()[i] == 0;
    }
    assertThat(kept).isEqualTo(type.holdsZero());
  }

  @Test
  void theTypesThatHoldZero() {
    assertThat(types().filter(BlockType::holdsZero).map(BlockType::name))
        .containsExactlyInAnyOrder("Q8_0", "Q5_0", "Q4_0", "Q6_K", "Q3_K", "MXFP4", "NVFP4");
  }

  @Test
  void masksAndValuesAreCounted() {
    var matrix = half();
    long zeros = Zeros.counted(Dense.of(matrix)).count();
    assertThat(zeros).isBetween(2500L, 3700L);
    assertThat(Zeros.masked(Dense.of(matrix))).isEmpty();
    var sparse = Sparse.of(Dense.of(matrix), Mask.of(matrix), Pattern.UNSTRUCTURED);
    var masked = Zeros.masked(sparse).orElseThrow();
    assertThat(masked.count()).isEqualTo(zeros);
    assertThat(masked.share()).isEqualTo(zeros / (double) (ROWS * COLUMNS));
    assertThat(Zeros.counted(sparse).count()).isEqualTo(zeros);
    var u = Dense.of(new Matrix(ROWS, 1, new float[ROWS]));
    var product = Product.lowRank(u, Dense.of(Matrix.zeros(1, COLUMNS)));
    assertThat(Zeros.masked(new Sum(List.of(sparse, product)))).contains(masked);
  }
}
