package ai.lathe.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SparseTest {

  /** A matrix whose zeros follow the pattern, and are half of it. */
  private static Matrix matrix(Pattern pattern, int rows, int columns) {
    var random = new Random(1);
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        boolean kept =
            switch (pattern) {
              case Pattern.Unstructured() -> (i * columns + j) * 7 % 4 < 2;
              case Pattern.SemiStructured(int n, int m) -> (j + i) % m < n;
              case Pattern.Blocks(int high, int wide) -> (i / high + j / wide) % 2 == 0;
            };
        matrix.set(i, j, kept ? (float) random.nextGaussian() : 0);
      }
    }
    return matrix;
  }

  private static final List<Pattern> PATTERNS =
      List.of(
          Pattern.UNSTRUCTURED,
          new Pattern.SemiStructured(2, 4),
          new Pattern.SemiStructured(4, 8),
          new Pattern.Blocks(1, 4),
          new Pattern.Blocks(4, 1),
          new Pattern.Blocks(2, 8));

  @Test
  void holdsExactlyTheWeightsThatAreNotZero() {
    for (var pattern : PATTERNS) {
      var matrix = matrix(pattern, 12, 72);
      var sparse = Sparse.of(Dense.of(matrix), Mask.of(matrix), pattern);
      assertThat(sparse.decode().values()).as(pattern.label()).isEqualTo(matrix.values());
      assertThat(sparse.dense().decode().values()).isEqualTo(matrix.values());
      var some = new float[3 * 72];
      sparse.decodeRows(5, 8, some, 0);
      assertThat(some).isEqualTo(java.util.Arrays.copyOfRange(matrix.values(), 5 * 72, 8 * 72));
    }
  }

  @Test
  void codesOfKeptWeightsKeepTheirScalesAndZeroPoints() {
    for (boolean symmetric : new boolean[] {true, false}) {
      var scheme = new IntegerScheme(4, 24, symmetric, Activations.NONE);
      var random = new Random(2);
      var codes = new byte[12 * 72];
      for (int i = 0; i < codes.length; i++) {
        codes[i] = (byte) (random.nextInt(16) - 8);
      }
      var zeros = symmetric ? null : new byte[36];
      for (int i = 0; !symmetric && i < zeros.length; i++) {
        zeros[i] = (byte) (random.nextInt(16) - 8);
      }
      var scales = new float[36];
      for (int i = 0; i < scales.length; i++) {
        scales[i] = 1 + i;
      }
      var stored = Tensor.ofFloats(scales, 12, 3).to(DType.F16, Arena.ofAuto());
      var all = new GroupQuantized(scheme, 12, 72, codes, stored, zeros);
      var pattern = new Pattern.SemiStructured(2, 4);
      var mask = Mask.of(matrix(pattern, 12, 72));
      var sparse = Sparse.of(all, mask, pattern);
      var expected = all.decode();
      for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 72; j++) {
          expected.set(i, j, mask.keeps(i, j) ? expected.at(i, j) : 0);
        }
      }
      assertThat(sparse.decode().values()).isEqualTo(expected.values());
      assertThat(sparse.dense().decode().values()).isEqualTo(expected.values());
      assertThat(sparse.encoding().bytes(12, 72))
          .isEqualTo(12 * 9 + 12 * 36 / 2 + 36 * 2 + (symmetric ? 0 : 36));
    }
  }

  @Test
  void countsEveryByteOfMaskAndValues() {
    var bf16 = new Encoding.Plain(DType.BF16);
    assertThat(new Encoding.Sparse(Pattern.UNSTRUCTURED, 0.7, bf16).bytes(10, 30))
        .isEqualTo(10 * 4 + 2 * 90);
    assertThat(new Encoding.Sparse(new Pattern.Blocks(4, 2), 0.5, bf16).bytes(8, 30))
        .isEqualTo(2 * 2 + 2 * 15 * 8);
    // GQSA: 4 bits, a float16 scale and a bit of the mask for each group of 16; half of the groups.
    var grouped = new Encoding.Grouped(new IntegerScheme(4, 16, true, Activations.NONE), DType.F16);
    assertThat(new Encoding.Sparse(new Pattern.Blocks(1, 16), 0.5, grouped).bytes(2, 128))
        .isEqualTo(2 + 8 * (8 + 2));
  }

  @Test
  void refusesAMaskThatDoesNotFollowThePattern() {
    var matrix = matrix(Pattern.UNSTRUCTURED, 4, 8);
    matrix.set(0, 0, 1);
    matrix.set(0, 1, 1);
    matrix.set(0, 2, 1);
    assertThatThrownBy(
            () -> Sparse.of(Dense.of(matrix), Mask.of(matrix), new Pattern.SemiStructured(2, 4)))
        .isInstanceOf(LatheException.class);
    assertThat(new Pattern.SemiStructured(2, 4).refusal(4, 10)).isPresent();
    assertThatThrownBy(() -> Pattern.parse("4:2")).hasMessageContaining("2:4");
    assertThatThrownBy(() -> Pattern.parse("two:four")).hasMessageContaining("unstructured");
    for (var pattern : PATTERNS) {
      assertThat(Pattern.parse(pattern.label())).isEqualTo(pattern);
    }
  }

  @Test
  void countsKeptWeightsOfAnyRange() {
    var matrix = matrix(Pattern.UNSTRUCTURED, 3, 200);
    var mask = Mask.of(matrix);
    for (int from = 0; from <= 200; from += 7) {
      for (int to = from; to <= 200; to += 13) {
        int kept = 0;
        for (int j = from; j < to; j++) {
          kept += matrix.at(1, j) != 0 ? 1 : 0;
        }
        assertThat(mask.kept(1, from, to)).isEqualTo(kept);
      }
    }
    assertThat(mask.keptBefore(3)).isEqualTo(mask.kept());
  }

  @Test
  void aProductIsTheProductOfItsFactors() {
    var random = new Random(3);
    var blocks = new float[3 * 4 * 4];
    for (int i = 0; i < blocks.length; i++) {
      blocks[i] = (float) random.nextGaussian();
    }
    var left = new BlockDiagonal(Tensor.ofFloats(blocks, 3, 4, 4));
    var core = matrix(new Pattern.SemiStructured(2, 4), 12, 8);
    var middle = Sparse.of(Dense.of(core), Mask.of(core), new Pattern.SemiStructured(2, 4));
    var right = Dense.of(matrix(Pattern.UNSTRUCTURED, 8, 5));
    var product = new Product(List.of(left, middle, right));
    var a = left.decode();
    var c = right.decode();
    for (int i = 0; i < 12; i++) {
      for (int j = 0; j < 5; j++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) {
          for (int l = 0; l < 8; l++) {
            sum += (double) a.at(i, k) * core.at(k, l) * c.at(l, j);
          }
        }
        assertThat((double) product.decode().at(i, j))
            .isCloseTo(sum, org.assertj.core.data.Offset.offset(1e-5));
        assertThat(a.at(i, i / 4 * 4)).isEqualTo(blocks[i * 4]);
      }
    }
    assertThat(product.encoding().bytes(12, 5)).isEqualTo(3 * 16 * 4 + (12 + 4 * 48) + 8 * 5 * 4);
    assertThat(product.encoding().label()).isEqualTo("diagonal 4x4 F32 * 2:4 F32 * F32");
    assertThatThrownBy(() -> Product.lowRank(right, right)).hasMessageContaining("factor");
  }
}
