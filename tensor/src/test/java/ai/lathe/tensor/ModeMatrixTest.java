package ai.lathe.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ModeMatrixTest {

  private final Random random = new Random(5);

  private ModeMatrix modes(int ofOuter, int ofInner, int high, int wide, int outer, int inner) {
    var values = new float[ofOuter * ofInner * high * wide];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return new ModeMatrix(Tensor.ofFloats(values, ofOuter, ofInner, high, wide), outer, inner);
  }

  @Test
  void anEntryIsThatOfItsBlock() {
    for (int ofOuter : new int[] {1, 3}) {
      for (int ofInner : new int[] {1, 5}) {
        var weight = modes(ofOuter, ofInner, 2, 4, 3, 5);
        var blocks = weight.blocks().decode().values();
        var all = weight.decode();
        assertThat(all.rows()).isEqualTo(3 * 2 * 5);
        assertThat(all.columns()).isEqualTo(3 * 4 * 5);
        for (int row = 0; row < all.rows(); row++) {
          for (int column = 0; column < all.columns(); column++) {
            int p = row / 10;
            int t = row % 5;
            boolean within = p == column / 20 && t == column % 5;
            int block = (ofOuter == 1 ? 0 : p) * ofInner + (ofInner == 1 ? 0 : t);
            float expected = within ? blocks[(block * 2 + row / 5 % 2) * 4 + column / 5 % 4] : 0;
            assertThat(all.at(row, column)).isEqualTo(expected);
          }
        }
      }
    }
  }

  /** Rows of all blocks are one matrix of codes, with scales in groups along a block's columns. */
  @Test
  void blocksInCodesAreThoseOfTheirNumbers() {
    for (boolean ofOuter : new boolean[] {false, true}) {
      for (boolean ofInner : new boolean[] {false, true}) {
        int count = (ofOuter ? 3 : 1) * (ofInner ? 5 : 1);
        var rows = codes(count * 2, 8, 4);
        var weight = new ModeMatrix(rows, ofOuter, ofInner, 3, 5);
        var numbers = rows.decode().values();
        var blocks = Tensor.ofFloats(numbers, ofOuter ? 3 : 1, ofInner ? 5 : 1, 2, 8);
        assertThat(weight.decode().values())
            .isEqualTo(new ModeMatrix(blocks, 3, 5).decode().values());
        // Half a byte a code, two scales of two bytes a row, four sizes.
        assertThat(weight.encoding().bytes(30, 120)).isEqualTo(count * 2 * (4 + 2 * 2) + 16);
      }
    }
  }

  private GroupQuantized codes(int rows, int columns, int group) {
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (random.nextInt(16) - 8);
    }
    var scheme = new IntegerScheme(4, group, true, Activations.NONE);
    var scales = new float[rows * columns / group];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (1 + random.nextInt(100)) / 64f;
    }
    var stored = Tensor.ofFloats(scales, rows, columns / group).to(DType.F16, Arena.ofAuto());
    return new GroupQuantized(scheme, rows, columns, codes, stored, null);
  }

  @Test
  void twoOfOneBlockEachAreAKroneckerProduct() {
    var a = modes(1, 1, 2, 3, 1, 5);
    var b = modes(1, 1, 5, 4, 3, 1);
    var product = new Product(List.of(a, b)).decode();
    var left = a.blocks().decode().values();
    var right = b.blocks().decode().values();
    for (int i = 0; i < 10; i++) {
      for (int j = 0; j < 12; j++) {
        float expected = left[i / 5 * 3 + j / 4] * right[i % 5 * 4 + j % 4];
        assertThat(product.at(i, j)).isCloseTo(expected, within(1e-6f));
      }
    }
  }

  /** Also where what lies between is wider than what is multiplied at a time. */
  @Test
  void aChainIsMultipliedOutWithoutItsFactorsBeingDense() {
    var chain = List.<LinearWeight>of(modes(1, 16, 2, 5, 1, 16), modes(5, 1, 16, 3, 5, 1));
    var first = chain.getFirst().decode();
    var last = chain.getLast().decode();
    var product = new Product(chain).decode();
    for (int i = 0; i < 32; i++) {
      for (int j = 0; j < 15; j++) {
        double sum = 0;
        for (int k = 0; k < 80; k++) {
          sum += (double) first.at(i, k) * last.at(k, j);
        }
        assertThat((double) product.at(i, j)).isCloseTo(sum, within(1e-5));
      }
    }
    var wide =
        new Product(
            List.of(modes(1, 1, 1, 1 << 16, 1, 1 << 5), modes(1, 1, 1 << 16, 1, 1, 1 << 5)));
    var diagonal = wide.decode();
    assertThat(diagonal.at(31, 31)).isEqualTo(diagonal.at(0, 0)).isNotZero();
    assertThat(diagonal.at(31, 0)).isZero();
  }

  @Test
  void blocksThatFitNoGridAreRefused() {
    assertThatThrownBy(() -> modes(2, 1, 2, 2, 3, 5)).hasMessageContaining("grid of 3 x 5");
    assertThatThrownBy(() -> modes(1, 3, 2, 2, 3, 5)).hasMessageContaining("grid of 3 x 5");
    assertThatThrownBy(() -> modes(1, 1, 2, 2, 1 << 16, 1 << 16))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("too large");
    assertThatThrownBy(() -> new ModeMatrix(Tensor.ofFloats(new float[4], 2, 2), 1, 1))
        .hasMessageContaining("blocks of a mode");
    assertThatThrownBy(
            () -> new Encoding.Mode(2, 3, true, false, new Encoding.Plain(DType.F16)).bytes(8, 12))
        .hasMessageContaining("does not divide 8");
  }
}
