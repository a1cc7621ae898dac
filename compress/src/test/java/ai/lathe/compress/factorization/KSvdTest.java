package ai.lathe.compress.factorization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class KSvdTest {

  private static double[] gaussian(int count, long seed) {
    var random = new Random(seed);
    var values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = random.nextGaussian();
    }
    return values;
  }

  /** {@code C D}, each row of {@code C} with {@code each} values away from 0. */
  private static double[] planted(double[] dictionary, int rows, int atoms, int width, int each) {
    var random = new Random(3);
    var product = new double[rows * width];
    for (int i = 0; i < rows; i++) {
      for (int atom : random.ints(0, atoms).distinct().limit(each).toArray()) {
        double weight = (random.nextBoolean() ? 1 : -1) * (0.5 + random.nextDouble());
        for (int j = 0; j < width; j++) {
          product[i * width + j] += weight * dictionary[atom * width + j];
        }
      }
    }
    return product;
  }

  @Test
  void aPlantedDictionaryIsFoundFromOneThatIsNotFarOff() {
    int rows = 400;
    int atoms = 48;
    int width = 32;
    var dictionary = gaussian(atoms * width, 1);
    var target = planted(dictionary, rows, atoms, width, 2);
    var start = gaussian(atoms * width, 2);
    for (int i = 0; i < start.length; i++) {
      start[i] = dictionary[i] + 0.2 * start[i];
    }
    var learner = new KSvd(rows(target, width), rows(start, width), 2, 0);
    for (int i = 0; i < 50; i++) {
      learner.iterate();
    }
    assertThat(Math.sqrt(learner.error())).isLessThan(1e-6);
    for (int k = 0; k < atoms; k++) {
      double along = 0;
      double own = 0;
      for (int j = 0; j < width; j++) {
        along += learner.dictionary()[k][j] * dictionary[k * width + j];
        own += dictionary[k * width + j] * dictionary[k * width + j];
      }
      assertThat(Math.abs(along)).isCloseTo(Math.sqrt(own), within(1e-6 * Math.sqrt(own)));
    }
  }

  @Test
  void theErrorNeverGrows() {
    int rows = 130;
    int width = 24;
    int atoms = 30;
    // More atoms than dimensions, and two of them the same: one is not used, and replaced.
    var start = gaussian(atoms * width, 5);
    System.arraycopy(start, 0, start, width, width);
    var learner = new KSvd(rows(gaussian(rows * width, 4), width), rows(start, width), 5, 0);
    double before = 1;
    double first = 0;
    for (int i = 0; i < 30; i++) {
      learner.iterate();
      assertThat(learner.error()).isLessThanOrEqualTo(before * (1 + 1e-12));
      before = learner.error();
      first = i == 0 ? before : first;
    }
    assertThat(before).isLessThan(0.8 * first);
  }

  @Test
  void pursuitIsLeastSquaresOnWhatItTakesAndTakesAsManyAsCanHelp() {
    int width = 6;
    int atoms = 9;
    var dictionary = gaussian(atoms * width, 6);
    for (int k = 0; k < atoms; k++) {
      double squares = 0;
      for (int j = 0; j < width; j++) {
        squares += dictionary[k * width + j] * dictionary[k * width + j];
      }
      for (int j = 0; j < width; j++) {
        dictionary[k * width + j] /= Math.sqrt(squares);
      }
    }
    var vector = gaussian(width, 7);
    var pursuit = new OrthogonalPursuit(products(dictionary, dictionary, width), atoms, 4);
    assertThat(pursuit.code(products(vector, dictionary, width), 0)).isEqualTo(4);
    var rest = vector.clone();
    for (int n = 0; n < 4; n++) {
      for (int j = 0; j < width; j++) {
        rest[j] -= pursuit.weights()[n] * dictionary[pursuit.support()[n] * width + j];
      }
    }
    var left = products(rest, dictionary, width);
    for (int n = 0; n < 4; n++) {
      assertThat(left[pursuit.support()[n]]).isCloseTo(0, within(1e-12));
    }
    double energy = products(vector, vector, width)[0];
    assertThat(products(rest, rest, width)[0])
        .isCloseTo(energy - pursuit.explained(), within(1e-12 * energy));
    // The first is the nearest of all.
    var along = products(vector, dictionary, width);
    for (double other : along) {
      assertThat(Math.abs(other)).isLessThanOrEqualTo(Math.abs(along[pursuit.support()[0]]));
    }
    // No vector needs more atoms than it has dimensions.
    var more = new OrthogonalPursuit(products(dictionary, dictionary, width), atoms, 8);
    assertThat(more.code(along, 0)).isBetween(width, width + 1);
    assertThat(more.explained()).isCloseTo(energy, within(1e-9 * energy));
  }

  private static double[][] rows(double[] values, int width) {
    return IntStream.range(0, values.length / width)
        .mapToObj(i -> Arrays.copyOfRange(values, i * width, (i + 1) * width))
        .toArray(double[][]::new);
  }

  /** {@code A B^T}, row by row. */
  private static double[] products(double[] a, double[] b, int width) {
    int rows = a.length / width;
    int columns = b.length / width;
    var products = new double[rows * columns];
    for (int i = 0; i < rows; i++) {
      for (int k = 0; k < columns; k++) {
        for (int j = 0; j < width; j++) {
          products[i * columns + k] += a[i * width + j] * b[k * width + j];
        }
      }
    }
    return products;
  }
}
