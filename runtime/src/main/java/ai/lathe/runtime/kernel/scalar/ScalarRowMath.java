package ai.lathe.runtime.kernel.scalar;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.RowMath;
import java.lang.foreign.MemorySegment;

/** {@link RowMath} as it is written down, functions and sums in double. */
public final class ScalarRowMath implements RowMath {

  /** From here on erf is 1 to the last bit of a float. */
  private static final double ERF_ONE = 4;

  @Override
  public void rmsNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt) {
    double squares = 0;
    for (int i = 0; i < n; i++) {
      double value = x.getAtIndex(JAVA_FLOAT, xAt + i);
      squares += value * value;
    }
    float factor = (float) (1 / Math.sqrt(squares / n + epsilon));
    for (int i = 0; i < n; i++) {
      float normed = x.getAtIndex(JAVA_FLOAT, xAt + i) * factor;
      out.setAtIndex(JAVA_FLOAT, outAt + i, normed * weight.getAtIndex(JAVA_FLOAT, i));
    }
  }

  @Override
  public void layerNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      MemorySegment bias,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += x.getAtIndex(JAVA_FLOAT, xAt + i);
    }
    double mean = sum / n;
    double squares = 0;
    for (int i = 0; i < n; i++) {
      double deviation = x.getAtIndex(JAVA_FLOAT, xAt + i) - mean;
      squares += deviation * deviation;
    }
    double factor = 1 / Math.sqrt(squares / n + epsilon);
    for (int i = 0; i < n; i++) {
      float normed = (float) ((x.getAtIndex(JAVA_FLOAT, xAt + i) - mean) * factor);
      float shifted = normed * weight.getAtIndex(JAVA_FLOAT, i) + bias.getAtIndex(JAVA_FLOAT, i);
      out.setAtIndex(JAVA_FLOAT, outAt + i, shifted);
    }
  }

  @Override
  public void activate(Activation f, MemorySegment x, long at, int n) {
    for (int i = 0; i < n; i++) {
      x.setAtIndex(JAVA_FLOAT, at + i, activate(f, x.getAtIndex(JAVA_FLOAT, at + i)));
    }
  }

  @Override
  public void gate(
      Activation f, MemorySegment gate, long gateAt, MemorySegment up, long upAt, int n) {
    for (int i = 0; i < n; i++) {
      float activated = activate(f, gate.getAtIndex(JAVA_FLOAT, gateAt + i));
      gate.setAtIndex(JAVA_FLOAT, gateAt + i, activated * up.getAtIndex(JAVA_FLOAT, upAt + i));
    }
  }

  private static float activate(Activation f, float x) {
    return switch (f) {
      case SILU -> (float) (x / (1 + Math.exp(-x)));
      case GELU -> (float) (0.5 * x * (1 + erf(x / Math.sqrt(2))));
      case GELU_TANH -> {
        double inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * (double) x * x * x);
        yield (float) (0.5 * x * (1 + Math.tanh(inner)));
      }
      case RELU -> Math.max(x, 0);
    };
  }

  /** By its power series, which loses no more than ten digits of a double's sixteen below 4. */
  private static double erf(double x) {
    if (!(Math.abs(x) < ERF_ONE)) {
      return Double.isNaN(x) ? x : Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  @Override
  public void add(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    addScaled(x, xAt, 1, y, yAt, n);
  }

  @Override
  public void scale(MemorySegment x, long at, float factor, int n) {
    for (int i = 0; i < n; i++) {
      x.setAtIndex(JAVA_FLOAT, at + i, x.getAtIndex(JAVA_FLOAT, at + i) * factor);
    }
  }

  @Override
  public void addScaled(MemorySegment x, long xAt, float factor, MemorySegment y, long yAt, int n) {
    for (int i = 0; i < n; i++) {
      float sum =
          Math.fma(factor, y.getAtIndex(JAVA_FLOAT, yAt + i), x.getAtIndex(JAVA_FLOAT, xAt + i));
      x.setAtIndex(JAVA_FLOAT, xAt + i, sum);
    }
  }

  @Override
  public void cap(MemorySegment x, long at, float cap, int n) {
    for (int i = 0; i < n; i++) {
      double capped = cap * Math.tanh(x.getAtIndex(JAVA_FLOAT, at + i) / cap);
      x.setAtIndex(JAVA_FLOAT, at + i, (float) capped);
    }
  }

  @Override
  public void softmax(MemorySegment x, long at, int n) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      max = Math.max(max, x.getAtIndex(JAVA_FLOAT, at + i));
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      double power = Math.exp(x.getAtIndex(JAVA_FLOAT, at + i) - max);
      x.setAtIndex(JAVA_FLOAT, at + i, (float) power);
      sum += power;
    }
    scale(x, at, (float) (1 / sum), n);
  }

  @Override
  public void rotate(
      MemorySegment head,
      long at,
      MemorySegment cosines,
      MemorySegment sines,
      long turnAt,
      int half) {
    for (int i = 0; i < half; i++) {
      float cosine = cosines.getAtIndex(JAVA_FLOAT, turnAt + i);
      float sine = sines.getAtIndex(JAVA_FLOAT, turnAt + i);
      float first = head.getAtIndex(JAVA_FLOAT, at + i);
      float second = head.getAtIndex(JAVA_FLOAT, at + half + i);
      head.setAtIndex(JAVA_FLOAT, at + i, first * cosine - second * sine);
      head.setAtIndex(JAVA_FLOAT, at + half + i, second * cosine + first * sine);
    }
  }

  @Override
  public float dot(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += (double) x.getAtIndex(JAVA_FLOAT, xAt + i) * y.getAtIndex(JAVA_FLOAT, yAt + i);
    }
    return (float) sum;
  }
}
