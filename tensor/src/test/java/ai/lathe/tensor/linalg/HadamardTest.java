package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HadamardTest {

  /** Widths that models have: SmolLM2, Qwen2, Phi-2, GPT-2 XL, and one without a matrix. */
  @ParameterizedTest
  @CsvSource({
    "1,1", "2,2", "64,64", "12,12", "20,20", "28,28", "36,36", "384,384", "576,576", "768,768",
    "896,896", "960,960", "172,4", "7,1"
  })
  void allEntriesAreAlikeAndRowsOrthonormal(int n, int block) {
    assertThat(Hadamard.blockFor(n)).isEqualTo(block);
    var h = Hadamard.matrix(n);
    float magnitude = (float) (1 / Math.sqrt(block));
    var product = Matrix.zeros(n, n);
    Gemm.add(View.of(product), View.of(h), View.of(h).transposed());
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        float expected = i / block == j / block ? magnitude : 0;
        assertThat(Math.abs(h.at(i, j))).isEqualTo(expected);
        assertThat(product.at(i, j)).isCloseTo(i == j ? 1 : 0, within(1e-5f));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 16, 128})
  void theFastTransformIsTheMatrix(int size) {
    var h = Hadamard.matrix(size);
    var x = random(3, 2 * size, 1);
    var rotated = x.copy();
    Hadamard.rotateInputs(rotated, size);
    for (int row = 0; row < 3; row++) {
      for (int j = 0; j < 2 * size; j++) {
        double expected = 0;
        for (int k = 0; k < size; k++) {
          expected += (double) x.at(row, j / size * size + k) * h.at(k, j % size);
        }
        assertThat((double) rotated.at(row, j)).isCloseTo(expected, within(1e-5));
      }
    }
    Hadamard.rotateInputs(rotated, size);
    for (int i = 0; i < x.values().length; i++) {
      assertThat(rotated.values()[i]).isCloseTo(x.values()[i], within(1e-5f));
    }
  }

  /** {@code (X Hb)^T (X Hb)}: what calibration on rotated inputs would have summed. */
  @Test
  void aRotatedGramIsThatOfRotatedInputs() {
    var x = random(20, 32, 2);
    var gram = gram(x);
    Hadamard.rotateGram(gram, 16);
    Hadamard.rotateInputs(x, 16);
    var expected = gram(x);
    for (int i = 0; i < gram.values().length; i++) {
      assertThat(gram.values()[i]).isCloseTo(expected.values()[i], within(1e-4f));
    }
  }

  @Test
  void blocksMustBePowersOfTwoThatDivideTheRow() {
    assertThatThrownBy(() -> Hadamard.rotate(new float[24], 0, 24, 12))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("a power of two of features, not 12");
    assertThatThrownBy(() -> Hadamard.rotate(new float[24], 0, 24, 16))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("blocks of 16 do not divide 24 features");
  }

  private static Matrix gram(Matrix x) {
    var gram = Matrix.zeros(x.columns(), x.columns());
    Gemm.add(View.of(gram), View.of(x).transposed(), View.of(x));
    return gram;
  }

  private static Matrix random(int rows, int columns, long seed) {
    var random = new SplittableRandom(seed);
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < matrix.values().length; i++) {
      matrix.values()[i] = (float) random.nextGaussian();
    }
    return matrix;
  }
}
