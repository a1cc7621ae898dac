package ai.lathe.compress.pruning.fisher;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.Pattern;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SplittableRandom;

/**
 * Random weights and gradients, correlated so that off-diagonal terms matter, and plain float64
 * linear algebra to check against.
 */
record FisherProblem(float[] weights, float[][] gradients) {

  static FisherProblem random(int n, int m, long seed) {
    var random = new SplittableRandom(seed);
    var weights = new float[n];
    var gradients = new float[m][n];
    for (int i = 0; i < n; i++) {
      weights[i] = (float) random.nextGaussian();
    }
    for (var g : gradients) {
      double common = random.nextGaussian();
      for (int i = 0; i < n; i++) {
        g[i] = (float) (0.3 * random.nextGaussian() + common * Math.cos(i));
      }
    }
    return new FisherProblem(weights, gradients);
  }

  /** All gradients, masked, as rows in native memory. */
  MemorySegment rows(Arena arena) {
    int n = weights.length;
    var rows = arena.allocate(4L * n * gradients.length, 64);
    for (int k = 0; k < gradients.length; k++) {
      for (int i = 0; i < n; i++) {
        float g = weights[i] == 0 ? 0 : gradients[k][i];
        rows.setAtIndex(ValueLayout.JAVA_FLOAT, (long) k * n + i, g);
      }
    }
    return rows;
  }

  /** Added in two calls of different sizes, as a stream would be. */
  <C extends Curvature> C add(C curvature, Arena arena) {
    int n = weights.length;
    int first = gradients.length / 3;
    var rows = rows(arena);
    curvature.add(rows.asSlice(0, 4L * n * first), first);
    curvature.add(rows.asSlice(4L * n * first), gradients.length - first);
    return curvature;
  }

  /** {@code damp I + 1/m sum g g^T} of weights {@code [from, to)}, or its inverse. */
  double[] fisher(int from, int to, double damp) {
    int n = to - from;
    var h = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        for (var g : gradients) {
          boolean masked = weights[from + i] == 0 || weights[from + j] == 0;
          h[i * n + j] += masked ? 0 : (double) g[from + i] * g[from + j] / gradients.length;
        }
      }
      h[i * n + i] += damp;
    }
    return h;
  }

  /** Solves {@code a x = b} by Gaussian elimination with pivoting. */
  static double[] solve(double[] a, double[] b) {
    int n = b.length;
    var m = a.clone();
    var x = b.clone();
    for (int p = 0; p < n; p++) {
      int pivot = p;
      for (int i = p + 1; i < n; i++) {
        pivot = Math.abs(m[i * n + p]) > Math.abs(m[pivot * n + p]) ? i : pivot;
      }
      for (int j = 0; j < n; j++) {
        double swap = m[p * n + j];
        m[p * n + j] = m[pivot * n + j];
        m[pivot * n + j] = swap;
      }
      double swap = x[p];
      x[p] = x[pivot];
      x[pivot] = swap;
      for (int i = 0; i < n; i++) {
        if (i != p) {
          double factor = m[i * n + p] / m[p * n + p];
          for (int j = 0; j < n; j++) {
            m[i * n + j] -= factor * m[p * n + j];
          }
          x[i] -= factor * x[p];
        }
      }
    }
    for (int i = 0; i < n; i++) {
      x[i] /= m[i * n + i];
    }
    return x;
  }

  /** {@code 1/2 d^T H d}, the quadratic model's loss. */
  static double quadratic(double[] h, double[] d) {
    int n = d.length;
    double sum = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        sum += 0.5 * d[i] * h[i * n + j] * d[j];
      }
    }
    return sum;
  }

  /** {@code after - weights} from {@code from} on. */
  double[] change(float[] after, int from, int to) {
    var d = new double[to - from];
    for (int i = from; i < to; i++) {
      d[i - from] = (double) after[i] - weights[i];
    }
    return d;
  }

  static Gathering gathering(int m) {
    return new Gathering(m, OptionalInt.of(1), Gathering.Objective.AUTO);
  }

  static Sparsity unstructured(double share) {
    return new Sparsity(share, Pattern.UNSTRUCTURED);
  }

  static OBert obert(int m, double damp, int block, Pattern pattern) {
    return new OBert(
        new OBert.Config(
            new Sparsity(0.5, pattern), gathering(m), OptionalDouble.of(damp), block, 1));
  }

  static Cap cap(int m, double damp, int block, Sparsity sparsity) {
    return new Cap(new Cap.Config(sparsity, gathering(m), OptionalDouble.of(damp), block, 1));
  }
}
