package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.scalar.ScalarRowMath;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The vector unit against plain Java with functions and sums in double. */
class VectorRowMathTest {

  /** Where rows begin: not at a vector's boundary. */
  private static final int AT = 3;

  private final RowMath vector = new VectorRowMath();
  private final RowMath scalar = new ScalarRowMath();
  private final Random random = new Random(17);

  @ParameterizedTest
  @EnumSource(Activation.class)
  void activationsAgreeFromTheSmallestToTheLargest(Activation f) {
    var values = new float[6003];
    for (int i = 0; i < 4000; i++) {
      values[i] = (i - 2000) / 100f;
    }
    for (int i = 4000; i < values.length; i++) {
      float magnitude = (float) Math.pow(10, -40 + 78 * random.nextDouble());
      values[i] = i % 2 == 0 ? magnitude : -magnitude;
    }
    var expected = segment(values);
    var actual = segment(values);
    scalar.activate(f, expected, AT, values.length);
    vector.activate(f, actual, AT, values.length);
    // The logarithm of a tail's value is a float, so its error grows with the tail. The twin's erf
    // is one from 4 on, its tanh from 19 on.
    double smallest = f == Activation.GELU ? 5e-8 : 1e-14;
    for (int i = 0; i < values.length; i++) {
      double tail = Math.min(values[i] * values[i], 100);
      assertClose(get(actual, i), get(expected, i), 4e-7 + 1.2e-7 * tail, smallest, values[i]);
    }
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void gatesAgreeForAllSizes(Activation f) {
    for (int n : new int[] {1, 2, 15, 16, 17, 31, 33, 100, 1024, 1031}) {
      var gates = gaussians(n, 2);
      var ups = segment(gaussians(n, 1));
      var expected = segment(gates);
      var actual = segment(gates);
      scalar.gate(f, expected, AT, ups, AT, n);
      vector.gate(f, actual, AT, ups, AT, n);
      for (int i = 0; i < n; i++) {
        assertClose(get(actual, i), get(expected, i), 4e-6, 5e-8, gates[i]);
      }
      assertUntouched(actual, n);
    }
  }

  @Test
  void activationsPassNaNOnAndSaturateAtInfinity() {
    for (var f : Activation.values()) {
      var x = segment(new float[] {Float.NaN, Float.POSITIVE_INFINITY, 1e30f, 1});
      vector.activate(f, x, AT, 4);
      assertThat(get(x, 0)).as(f.name()).isNaN();
      assertThat(get(x, 1)).as(f.name()).isEqualTo(Float.POSITIVE_INFINITY);
      assertThat(get(x, 2)).as(f.name()).isEqualTo(1e30f);
      assertThat(get(x, 3)).as(f.name()).isBetween(0.7f, 1f);
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {1, 30, 50})
  void capsAgree(float cap) {
    var values = new float[4001];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sinh((i - 2000) / 200.0) * cap / 100;
    }
    var expected = segment(values);
    var actual = segment(values);
    scalar.cap(expected, AT, cap, values.length);
    vector.cap(actual, AT, cap, values.length);
    for (int i = 0; i < values.length; i++) {
      assertClose(get(actual, i), get(expected, i), 6e-7, 1e-37, values[i]);
    }
    var broken = segment(new float[] {Float.NaN, Float.NEGATIVE_INFINITY});
    vector.cap(broken, AT, cap, 2);
    assertThat(get(broken, 0)).isNaN();
    assertThat(get(broken, 1)).isEqualTo(-cap);
  }

  @Test
  void softmaxAgreesForAllSizes() {
    for (int n : new int[] {1, 2, 15, 16, 17, 33, 500, 1024, 2100}) {
      var values = gaussians(n, 5);
      values[n / 2] = Float.NEGATIVE_INFINITY;
      values[n - 1] = 3;
      var expected = segment(values);
      var actual = segment(values);
      scalar.softmax(expected, AT, n);
      vector.softmax(actual, AT, n);
      double sum = 0;
      for (int i = 0; i < n; i++) {
        assertClose(get(actual, i), get(expected, i), 2e-6, 1e-37, values[i]);
        sum += get(actual, i);
      }
      assertThat(sum).isBetween(1 - 1e-6, 1 + 1e-6);
      assertUntouched(actual, n);
    }
    var broken = segment(new float[] {1, Float.NaN, 2});
    vector.softmax(broken, AT, 3);
    assertThat(get(broken, 0)).isNaN();
  }

  @Test
  void exponentialsReachFromSmallestToLargest() {
    var values = new float[4096];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (-110 + 200.0 * i / values.length);
    }
    var actual = values.clone();
    Elementwise.exp(actual, actual.length);
    for (int i = 0; i < values.length; i++) {
      float expected = (float) Math.exp(values[i]);
      if (Float.isInfinite(expected)) {
        assertThat(actual[i]).isInfinite();
      } else {
        assertThat(Math.abs((double) actual[i] - expected))
            .as("exp(%s)", values[i])
            .isLessThanOrEqualTo(2 * Math.ulp(expected));
      }
    }
  }

  @Test
  void normsAgreeForAllSizes() {
    for (int n : new int[] {1, 7, 16, 48, 65, 384, 2051}) {
      var x = segment(gaussians(n, 3));
      var weight = Arena.ofAuto().allocateFrom(JAVA_FLOAT, gaussians(n, 1));
      var bias = Arena.ofAuto().allocateFrom(JAVA_FLOAT, gaussians(n, 1));
      var expected = segment(new float[n]);
      var actual = segment(new float[n]);
      scalar.rmsNorm(x, AT, weight, 1e-5f, n, expected, AT);
      vector.rmsNorm(x, AT, weight, 1e-5f, n, actual, AT);
      assertAllClose(actual, expected, n, 2e-6, 1e-7);
      scalar.layerNorm(x, AT, weight, bias, 1e-5f, n, expected, AT);
      vector.layerNorm(x, AT, weight, bias, 1e-5f, n, actual, AT);
      assertAllClose(actual, expected, n, 2e-6, 2e-6);
      vector.rmsNorm(x, AT, weight, 1e-5f, n, x, AT);
      vector.rmsNorm(x, AT, weight, 1e-5f, n, x, AT);
      assertUntouched(x, n);
    }
  }

  @Test
  void linearOperationsAgreeForAllSizes() {
    for (int n : new int[] {1, 6, 16, 33, 130, 1030}) {
      var x = gaussians(n, 1);
      var y = segment(gaussians(n, 1));
      var expected = segment(x);
      var actual = segment(x);
      assertClose(
          vector.dot(actual, AT, y, AT, n), scalar.dot(expected, AT, y, AT, n), 1e-6, 3e-6, n);
      scalar.add(expected, AT, y, AT, n);
      vector.add(actual, AT, y, AT, n);
      assertAllClose(actual, expected, n, 0, 0);
      scalar.scale(expected, AT, 0.3f, n);
      vector.scale(actual, AT, 0.3f, n);
      assertAllClose(actual, expected, n, 0, 0);
      scalar.addScaled(expected, AT, 0.7f, y, AT, n);
      vector.addScaled(actual, AT, 0.7f, y, AT, n);
      assertAllClose(actual, expected, n, 0, 0);
      assertUntouched(actual, n);
    }
  }

  @Test
  void rotationsAgreeForAllSizes() {
    for (int half : new int[] {1, 4, 16, 24, 32, 35}) {
      var angles = gaussians(half, 3);
      var cosines = new float[half];
      var sines = new float[half];
      for (int i = 0; i < half; i++) {
        cosines[i] = (float) Math.cos(angles[i]);
        sines[i] = (float) Math.sin(angles[i]);
      }
      var head = gaussians(2 * half, 1);
      var expected = segment(head);
      var actual = segment(head);
      scalar.rotate(expected, AT, segment(cosines), segment(sines), AT, half);
      vector.rotate(actual, AT, segment(cosines), segment(sines), AT, half);
      assertAllClose(actual, expected, 2 * half, 0, 0);
      assertUntouched(actual, 2 * half);
    }
  }

  private float[] gaussians(int n, double deviation) {
    var values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return values;
  }

  /** Values from {@link #AT} on, sevens around them. */
  private static MemorySegment segment(float[] values) {
    var segment = Arena.ofAuto().allocate((values.length + 2L * AT) * Float.BYTES, 64);
    for (int i = 0; i < values.length + 2 * AT; i++) {
      segment.setAtIndex(JAVA_FLOAT, i, 7);
    }
    MemorySegment.copy(values, 0, segment, JAVA_FLOAT_UNALIGNED, AT * 4, values.length);
    return segment;
  }

  private static float get(MemorySegment x, int i) {
    return x.getAtIndex(JAVA_FLOAT, AT + i);
  }

  private static void assertUntouched(MemorySegment x, int n) {
    for (int i = 0; i < AT; i++) {
      assertThat(x.getAtIndex(JAVA_FLOAT, i)).isEqualTo(7);
      assertThat(x.getAtIndex(JAVA_FLOAT, AT + n + i)).isEqualTo(7);
    }
  }

  private static void assertAllClose(
      MemorySegment actual, MemorySegment expected, int n, double relative, double absolute) {
    for (int i = 0; i < n; i++) {
      assertClose(get(actual, i), get(expected, i), relative, absolute, i);
    }
  }

  private static void assertClose(
      float actual, float expected, double relative, double absolute, float at) {
    assertThat((double) actual)
        .as("at %s", at)
        .isBetween(
            expected - relative * Math.abs(expected) - absolute,
            expected + relative * Math.abs(expected) + absolute);
  }
}
