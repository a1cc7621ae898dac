package ai.lathe.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CodebookQuantizedTest {

  /** Blocks of 2 rows by 3 columns, two codebooks, five rows of which the last is half a block. */
  @Test
  void decodingIsTheScaledSumOfEntries() {
    var encoding = new Encoding.Codebooks(2, 3, List.of(3, 1), true);
    var random = new Random(1);
    int rows = 5;
    int columns = 6;
    var codes = new char[2][3 * 2];
    var codebooks = new float[][] {new float[8 * 6], new float[2 * 6]};
    var scales = new float[3];
    for (int m = 0; m < 2; m++) {
      for (int i = 0; i < codes[m].length; i++) {
        codes[m][i] = (char) random.nextInt(1 << encoding.bits().get(m));
      }
      for (int i = 0; i < codebooks[m].length; i++) {
        codebooks[m][i] = random.nextInt(-100, 100);
      }
    }
    for (int i = 0; i < 3; i++) {
      scales[i] = random.nextInt(1, 9);
    }
    var weight = new CodebookQuantized(encoding, rows, columns, codes, codebooks, scales);
    var decoded = weight.decode();
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        int block = i / 2 * 2 + j / 3;
        int within = i % 2 * 3 + j % 3;
        float expected =
            scales[i / 2]
                * (codebooks[0][codes[0][block] * 6 + within]
                    + codebooks[1][codes[1][block] * 6 + within]);
        assertThat(decoded.at(i, j)).isEqualTo(expected);
      }
    }
    var some = new float[2 * columns];
    weight.decodeRows(3, 5, some, 0);
    assertThat(some)
        .isEqualTo(java.util.Arrays.copyOfRange(decoded.values(), 3 * columns, 5 * columns));
  }

  @Test
  void bytesAreThoseOfCodesCodebooksAndScales() {
    // 128 rows of blocks of 384 codes of 8 bits; 256 entries of 3 weights.
    assertThat(new Encoding.Codebooks(3, 1, List.of(8), false).bytes(384, 384))
        .isEqualTo(128 * 384 + 256 * 3 * 2);
    // 11 codes of 5 bits are 55 bits: two words. The last block row is padded.
    assertThat(new Encoding.Codebooks(4, 2, List.of(3, 2), true).bytes(9, 22))
        .isEqualTo(3 * (8 + 2) + (8 + 4) * 8 * 2);
    assertThat(new Encoding.Codebooks(1, 8, List.of(8, 8), true).label()).isEqualTo("aqlm 2x8 g8");
    assertThat(new Encoding.Codebooks(4, 1, List.of(8, 4), false).label())
        .isEqualTo("vptq v4 k256+16");
  }

  @Test
  void whatDoesNotFitTogetherIsRefused() {
    var encoding = new Encoding.Codebooks(1, 2, List.of(1), false);
    var codes = new char[][] {{0, 1, 2}};
    assertThatThrownBy(
            () -> new CodebookQuantized(encoding, 1, 6, codes, new float[][] {new float[4]}, null))
        .isInstanceOf(LatheException.class)
        .hasMessage("code 2 of codebook 0, which has 2 entries");
    assertThatThrownBy(() -> encoding.blockColumns(7))
        .hasMessage("blocks of 2 do not divide rows of 7");
    var infinite = new float[] {1, Float.POSITIVE_INFINITY, 0, 0};
    assertThatThrownBy(
            () ->
                new CodebookQuantized(
                    encoding, 1, 2, new char[][] {{0}}, new float[][] {infinite}, null))
        .hasMessage("codebook 0 holds Infinity; float16 ends at 65504");
    assertThatThrownBy(() -> new Encoding.Codebooks(1, 8, List.of(17), true))
        .hasMessage("codes of codebooks have 1 to 16 bits, not [17]");
  }
}
