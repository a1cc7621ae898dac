package ai.lathe.compress.pruning.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.Arena;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockFisherTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 16, 32, 50, 100})
  void itsBlocksAreTheDenseInverse(int size) {
    int n = 100;
    int m = 40;
    double damp = 0.1;
    var problem = FisherProblem.random(n, m, size);
    try (var arena = Arena.ofShared()) {
      var fisher = problem.add(new BlockFisher(n, size, m, damp, arena), arena);
      assertThat(fisher.blocks()).isEqualTo(Math.ceilDiv(n, size));
      for (int block = 0; block < fisher.blocks(); block++) {
        int first = fisher.first(block);
        int width = fisher.size(block);
        var h = problem.fisher(first, first + width, damp);
        var f = fisher.inverse(block);
        for (int i = 0; i < width; i++) {
          var unit = new double[width];
          unit[i] = 1;
          var column = FisherProblem.solve(h, unit);
          for (int j = 0; j < width; j++) {
            // Sums of products are float32: 1e-6 of H at most, times the square of |F| = 1 / damp.
            assertThat(f[j * width + i]).isCloseTo(column[j], within(1e-3));
          }
        }
      }
      assertThat(fisher.raised()).isZero();
    }
  }

  /** Woodbury's recursion of the paper, in float64. */
  @Test
  void isWhatTheRecursionGives() {
    int n = 20;
    int m = 12;
    double damp = 0.1;
    var problem = FisherProblem.random(n, m, 3);
    var f = new double[n * n];
    for (int i = 0; i < n; i++) {
      f[i * n + i] = 1 / damp;
    }
    for (var g : problem.gradients()) {
      var u = new double[n];
      double product = 0;
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          u[i] += f[i * n + j] * g[j];
        }
        product += g[i] * u[i];
      }
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          f[i * n + j] -= u[i] * u[j] / (m + product);
        }
      }
    }
    try (var arena = Arena.ofShared()) {
      var inverse = problem.add(new BlockFisher(n, n, m, damp, arena), arena).inverse(0);
      for (int i = 0; i < f.length; i++) {
        assertThat(inverse[i]).isCloseTo(f[i], within(1e-4));
      }
    }
  }

  @Test
  void kernelsAgree() {
    var random = new SplittableRandom(5);
    for (int n : new int[] {1, 15, 16, 17, 50, 64}) {
      var vectors = new float[3 * n];
      var scalar = new float[n * (n + 1) / 2];
      for (int i = 0; i < vectors.length; i++) {
        vectors[i] = (float) random.nextGaussian();
      }
      for (int i = 0; i < scalar.length; i++) {
        scalar[i] = (float) random.nextGaussian();
      }
      var vector = scalar.clone();
      new ScalarOuterProductKernel().add(scalar, vectors, 3, n);
      new VectorOuterProductKernel().add(vector, vectors, 3, n);
      for (int i = 0; i < scalar.length; i++) {
        assertThat(vector[i]).isCloseTo(scalar[i], within(1e-5f));
      }
    }
  }

  /** Rank 1 of large gradients: rounded to float32 the sums are not positive definite any more. */
  @Test
  void aBlockThatIsSingularToFloat32GetsMoreDampingAndIsCounted() {
    int n = 40;
    var problem = FisherProblem.random(n, 1, 9);
    for (int i = 0; i < n; i++) {
      problem.gradients()[0][i] *= 1000;
    }
    try (var arena = Arena.ofShared()) {
      var fisher = new BlockFisher(n, n, 1, 1e-7, arena);
      fisher.add(problem.rows(arena), 1);
      assertThat(fisher.inverse(0)).doesNotContain(Double.NaN);
      assertThat(fisher.raised()).isEqualTo(1);
    }
  }

  @Test
  void memoryIsThatOfTheTriangles() {
    assertThat(BlockFisher.bytes(100, 50)).isEqualTo(2 * 50 * 51 / 2 * 4);
    // MiniLM's linear layers in blocks of 50.
    assertThat(BlockFisher.bytes(10_616_832, 50)).isBetween(1_080_000_000L, 1_090_000_000L);
  }

  @Test
  void badSettingsAreOneLine() {
    assertThatThrownBy(() -> FisherProblem.obert(4, 0, 50, ai.lathe.tensor.Pattern.UNSTRUCTURED))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("damp is a number above 0");
    assertThatThrownBy(
            () -> FisherProblem.obert(4, 1e-7, 50, new ai.lathe.tensor.Pattern.Blocks(1, 4)))
        .hasMessageContaining("divides fisher_block_size 50");
    assertThatThrownBy(() -> FisherProblem.gathering(0)).hasMessageContaining("num_grads");
  }
}
