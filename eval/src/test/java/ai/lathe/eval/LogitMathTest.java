package ai.lathe.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class LogitMathTest {

  private final LogitMath scalar = new ScalarLogitMath();
  private final LogitMath vector = new VectorLogitMath();

  @Property
  void exponentialIsThatOfTheLibrary(@ForAll @DoubleRange(min = -708, max = 0) double x) {
    double expected = Math.exp(x);
    assertThat(Exp.exp(x)).isCloseTo(expected, within(expected * 1e-15));
  }

  @Test
  void exponentialAtItsEnds() {
    assertThat(Exp.exp(0)).isEqualTo(1);
    assertThat(Exp.exp(-708.0001)).isZero();
    assertThat(Exp.exp(-1e30)).isZero();
  }

  @Property
  void scalarAndVectorAgree(
      @ForAll @IntRange(min = 1, max = 200) int n,
      @ForAll @IntRange(max = 9) int at,
      @ForAll @DoubleRange(min = 0.01, max = 400) double scale,
      @ForAll long seed) {
    var random = new Random(seed);
    var x = gaussian(random, at + n + 3, scale);
    var y = gaussian(random, at + n + 3, scale);

    float maxX = scalar.max(x, at, n);
    float maxY = scalar.max(y, at, n);
    assertThat(vector.max(x, at, n)).isEqualTo(maxX);

    double logX = scalar.logSumExp(x, at, n, maxX);
    double logY = scalar.logSumExp(y, at, n, maxY);
    assertThat(vector.logSumExp(x, at, n, maxX))
        .isCloseTo(logX, within(1e-14 * Math.max(1, Math.abs(logX))));

    var expected = new double[2];
    var actual = new double[2];
    scalar.compare(x, at, logX, y, at, logY, n, expected);
    vector.compare(x, at, logX, y, at, logY, n, actual);
    assertThat(actual[0]).isCloseTo(expected[0], within(1e-13 * Math.max(1, expected[0])));
    assertThat(actual[1]).isCloseTo(expected[1], within(1e-14));
  }

  @Property(tries = 200)
  void anythingNotFiniteSpoilsTheMaximum(
      @ForAll @IntRange(min = 1, max = 100) int n, @ForAll @IntRange(max = 99) int where) {
    for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY}) {
      var x = new float[n + 2];
      x[1 + where % n] = bad;
      assertThat(scalar.max(x, 1, n)).isNaN();
      assertThat(vector.max(x, 1, n)).isNaN();
    }
  }

  @Test
  void extremeLogitsDoNotOverflow() {
    var x = new float[] {3e38f, -3e38f, 3e38f, 0, 3e38f, 1, 2, 3, -1e38f};
    for (var math : new LogitMath[] {scalar, vector}) {
      assertThat(math.max(x, 0, x.length)).isEqualTo(3e38f);
      assertThat(math.logSumExp(x, 0, x.length, 3e38f)).isEqualTo(3e38f + Math.log(3));
    }
  }

  private static float[] gaussian(Random random, int n, double scale) {
    var x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) (random.nextGaussian() * scale);
    }
    return x;
  }
}
