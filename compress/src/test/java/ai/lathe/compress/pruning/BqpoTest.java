package ai.lathe.compress.pruning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.training.EmbeddedBlock;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * BQPO's mathematics on small matrices, its effect on a block of the model that comes with Lathe.
 */
class BqpoTest {

  private static final int SIZE = 8;
  private static final Set<Role> TRAINED = Set.of(Role.VALUE, Role.DOWN);
  private static final Map<String, ?> SHORT =
      Map.of("epochs", 2, "batch_tokens", 256, "tokens", 2048, "learning_rate", 0.1);

  @TempDir static Path folder;
  private static EmbeddedBlock block;

  @BeforeAll
  static void calibrate() throws IOException {
    block = new EmbeddedBlock(folder, TRAINED);
  }

  @AfterAll
  static void close() {
    block.close();
  }

  /** Two rows of four groups, of which each row keeps two; weights off the grid, some beyond it. */
  private static Bqpo.Rounded rounded() {
    var random = new Random(5);
    var mask = Matrix.zeros(2, 4 * SIZE);
    for (int j = 0; j < SIZE; j++) {
      for (int g : new int[] {0, 2}) {
        mask.set(0, g * SIZE + j, 1);
        mask.set(1, (g + 1) * SIZE + j, 1);
      }
    }
    var scheme = new IntegerScheme(4, SIZE, false, Activations.NONE);
    var grid = new IntegerGrid(scheme, ScaleSearch.MIN_MAX, DType.F32);
    var scales = new float[8];
    var zeros = new byte[8];
    for (int g = 0; g < 8; g++) {
      scales[g] = 0.1f + random.nextFloat();
      zeros[g] = (byte) (random.nextInt(7) - 3);
    }
    var weight = grid.weight(2, 4 * SIZE, new byte[8 * SIZE], scales, zeros, null);
    var pattern = new Pattern.Blocks(1, SIZE);
    var settings = new Bqpo.Settings(1, 1, 1, 0.1, 0.01, 0, 0);
    var rounded = new Bqpo.Rounded(Sparse.of(weight, Mask.of(mask), pattern), grid, settings);
    for (int i = 0; i < rounded.weight.values().length; i++) {
      rounded.weight.values()[i] = (float) (5 * random.nextGaussian());
    }
    for (int g = 0; g < 8; g++) {
      rounded.logScale.values()[g] = (float) (0.2 * random.nextGaussian());
      rounded.zero.values()[g] += 0.6f * random.nextFloat() - 0.3f;
    }
    return rounded;
  }

  /**
   * What rounding adds to {@code W / s} and to {@code z}, and which weights are clamped to what,
   * held as it is at one point: there {@code V} is that of {@link Bqpo.Rounded}, and around it
   * smooth.
   */
  private static final class Surrogate {
    final double[] w = new double[8 * SIZE];
    final double[] a = new double[8];
    final double[] z = new double[8];
    private final double[] startScale = new double[8];
    private final double[] added = new double[8 * SIZE];
    private final double[] addedToZero = new double[8];
    private final double[] clampedTo = new double[8 * SIZE];
    private final boolean[] kept = new boolean[8];

    Surrogate(Bqpo.Rounded rounded) {
      var stored = (Sparse.Values.Codes) rounded.stored().values();
      for (int g = 0; g < 8; g++) {
        a[g] = rounded.logScale.values()[g];
        startScale[g] = stored.scales().toFloats()[g] / Math.exp(a[g]);
        z[g] = rounded.zero.values()[g];
        addedToZero[g] = Math.round(z[g]) - z[g];
        kept[g] = rounded.stored().mask().keeps(g / 4, g % 4 * SIZE);
      }
      for (int i = 0; i < w.length; i++) {
        w[i] = rounded.weight.values()[i];
        double exact = w[i] / scale(i / SIZE);
        added[i] = Math.rint(exact) - exact;
        double code = Math.rint(exact) + Math.round(z[i / SIZE]);
        clampedTo[i] = code < -8 ? -8 : code > 7 ? 7 : Double.NaN;
      }
    }

    private double scale(int g) {
      return startScale[g] * Math.exp(a[g]);
    }

    double value(int i) {
      int g = i / SIZE;
      double zero = z[g] + addedToZero[g];
      double q = Double.isNaN(clampedTo[i]) ? w[i] / scale(g) + added[i] + zero : clampedTo[i];
      return kept[g] ? scale(g) * (q - zero) : 0;
    }

    /** {@code sum of c_i V_i}. */
    double loss(float[] c) {
      double sum = 0;
      for (int i = 0; i < c.length; i++) {
        sum += c[i] * value(i);
      }
      return sum;
    }

    double slope(double[] by, int i, float[] c) {
      double h = 1e-5;
      double at = by[i];
      by[i] = at + h;
      double above = loss(c);
      by[i] = at - h;
      double below = loss(c);
      by[i] = at;
      return (above - below) / (2 * h);
    }
  }

  @Test
  void straightThroughGradientsAreThoseOfTheSmoothSurrogate() {
    var rounded = rounded();
    var surrogate = new Surrogate(rounded);
    var values = new float[8 * SIZE];
    rounded.values(values);
    var c = new float[values.length];
    var random = new Random(6);
    int clamped = 0;
    for (int i = 0; i < c.length; i++) {
      assertThat((double) values[i]).isCloseTo(surrogate.value(i), within(1e-5));
      c[i] = (float) random.nextGaussian();
      clamped += values[i] != 0 && surrogate.slope(surrogate.w, i, c) == 0 ? 1 : 0;
    }
    assertThat(clamped).as("some are clamped, some are not").isBetween(3, 29);
    rounded.differentiate(c);
    for (int i = 0; i < c.length; i++) {
      assertThat((double) rounded.gradientOfWeights()[i])
          .isCloseTo(surrogate.slope(surrogate.w, i, c), within(1e-5));
    }
    for (int g = 0; g < 8; g++) {
      assertThat((double) rounded.gradientOfLogScales()[g])
          .isCloseTo(surrogate.slope(surrogate.a, g, c), within(1e-4));
      assertThat((double) rounded.gradientOfZeros()[g])
          .isCloseTo(surrogate.slope(surrogate.z, g, c), within(1e-4));
    }
  }

  @Test
  void whatIsStoredIsWhatWasTrained() {
    var rounded = rounded();
    var values = new float[8 * SIZE];
    rounded.values(values);
    assertThat(rounded.stored().decode().values()).isEqualTo(values);
  }

  @Test
  void theBlockGivesOutWhatTheOriginalDoesBetterThanBefore() {
    var start = solve(Map.of("epochs", 0));
    var trained = solve(SHORT);
    assertThat(trained.keySet()).containsExactlyInAnyOrderElementsOf(block.matrices());
    assertThat(block.error(trained)).isLessThan(0.95 * block.error(start));
    trained.forEach(
        (address, solution) -> {
          var before = (Sparse) start.get(address).weight();
          var after = (Sparse) solution.weight();
          assertThat(solution.fallbacks()).isEmpty();
          assertThat(after.encoding()).isEqualTo(before.encoding());
          assertThat(keeps(after.mask())).isEqualTo(keeps(before.mask()));
          assertThat(bytes(solution)).isNotEqualTo(bytes(start.get(address)));
        });
    theSameSeedGivesTheSameBytes(trained);
  }

  private static void theSameSeedGivesTheSameBytes(Map<Address, Solution> once) {
    var again = solve(SHORT);
    var seeded = new HashMap<String, Object>(SHORT);
    seeded.put("seed", 1);
    var other = solve(seeded);
    for (var address : block.matrices()) {
      assertThat(bytes(again.get(address))).isEqualTo(bytes(once.get(address)));
      assertThat(bytes(other.get(address))).isNotEqualTo(bytes(once.get(address)));
    }
  }

  @Test
  void theStartIsKeptWhereTrainingDoesHarm() {
    var harmful = solve(Map.of("epochs", 1, "tokens", 1024, "learning_rate", 10));
    solve(Map.of("epochs", 0))
        .forEach(
            (address, start) -> {
              assertThat(bytes(harmful.get(address))).isEqualTo(bytes(start));
              assertThat(harmful.get(address).fallbacks())
                  .containsExactly(
                      "BQPO did not improve the block on inputs kept apart; its start is kept");
            });
  }

  @Test
  void saysWhatIsWrong() {
    assertThatThrownBy(() -> solve(Map.of("epochs", -1)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("epochs are 0 or more");
    assertThatThrownBy(() -> solve(Map.of("learning_rate", 11)))
        .hasMessageContaining("learning_rate is 0 to 10 grid steps");
    assertThatThrownBy(() -> solve(Map.of("epoch", 1))).hasMessageContaining("epochs");
  }

  private static Map<Address, Solution> solve(Map<String, ?> settings) {
    var half = new Sparsity(0.5, new Pattern.Blocks(1, 16));
    var gqsa = new Gqsa();
    return block.solve(gqsa, gqsa.config(half, new Kept.Plain(DType.F16), settings));
  }

  private static List<Object> bytes(Solution solution) {
    var codes = (Sparse.Values.Codes) ((Sparse) solution.weight()).values();
    return List.of(
        java.nio.ByteBuffer.wrap(codes.kept()),
        java.nio.ByteBuffer.wrap(codes.zeros()),
        java.nio.FloatBuffer.wrap(codes.scales().toFloats()));
  }

  private static boolean[] keeps(Mask mask) {
    var keeps = new boolean[mask.rows() * mask.columns()];
    for (int i = 0; i < keeps.length; i++) {
      keeps[i] = mask.keeps(i / mask.columns(), i % mask.columns());
    }
    return keeps;
  }
}
