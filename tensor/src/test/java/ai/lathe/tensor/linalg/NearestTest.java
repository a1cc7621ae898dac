package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class NearestTest {

  @Property(tries = 200)
  void bothKernelsFindWhatTryingAllFinds(
      @ForAll @IntRange(min = 1, max = 70) int points,
      @ForAll @IntRange(min = 1, max = 9) int length,
      @ForAll @IntRange(min = 1, max = 11) int count,
      @ForAll @IntRange(min = 0, max = 3) int at,
      @ForAll long seed) {
    var random = new SplittableRandom(seed);
    var c = random.doubles((long) points * length, -1, 1).toArray();
    var x = random.doubles((long) count * length, -1, 1).toArray();
    for (var kernel : new NearestKernel[] {new VectorNearestKernel(), new ScalarNearestKernel()}) {
      var vectors = new float[at + x.length];
      for (int i = 0; i < x.length; i++) {
        vectors[at + i] = (float) x[i];
      }
      var found = new int[at + count];
      new Nearest(kernel, floats(c), points, length).search(vectors, at, count, found, at);
      for (int i = 0; i < count; i++) {
        double least = Double.POSITIVE_INFINITY;
        for (int k = 0; k < points; k++) {
          least = Math.min(least, distance(x, i, c, k, length));
        }
        // Near ties may go either way: rounding is of the size of the squares, here at most 9.
        assertThat(distance(x, i, c, found[at + i], length)).isCloseTo(least, within(1e-5));
      }
    }
  }

  @Test
  void ofEqualPointsTheFirstIsFound() {
    for (var kernel : new NearestKernel[] {new VectorNearestKernel(), new ScalarNearestKernel()}) {
      var points = new float[100];
      java.util.Arrays.fill(points, 3);
      for (int first : new int[] {0, 17, 40}) {
        points[first] = 1;
        points[50] = 1;
        var found = new int[1];
        new Nearest(kernel, points, 100, 1).search(new float[] {0.5f}, 0, 1, found, 0);
        assertThat(found[0]).isEqualTo(first);
        points[first] = 3;
      }
    }
  }

  private static float[] floats(double[] values) {
    var floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }

  private static double distance(double[] x, int i, double[] c, int k, int length) {
    double sum = 0;
    for (int d = 0; d < length; d++) {
      double difference = x[i * length + d] - c[k * length + d];
      sum += difference * difference;
    }
    return sum;
  }
}
