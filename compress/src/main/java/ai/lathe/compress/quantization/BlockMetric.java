package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import java.util.Arrays;

/**
 * The small square matrices {@code [wide, wide]}, row-major, that measure errors within one block:
 * parts of {@code H} and of its factor, for {@code wide} neighbouring inputs.
 */
final class BlockMetric {

  private BlockMetric() {}

  /** Whole codebooks in other coordinates: each {@code wide} numbers in a row times {@code t}. */
  static float[][] multiply(float[][] books, int wide, float[] t) {
    var transformed = new float[books.length][];
    for (int m = 0; m < books.length; m++) {
      transformed[m] = new float[books[m].length];
      for (int at = 0; at < books[m].length; at += wide) {
        multiply(books[m], at, wide, t, transformed[m], at);
      }
    }
    return transformed;
  }

  /** {@code target = x t}, for {@code t [wide, wide]}. */
  static void multiply(float[] x, int at, int wide, float[] t, float[] target, int to) {
    Arrays.fill(target, to, to + wide, 0);
    for (int i = 0; i < wide; i++) {
      for (int j = 0; j < wide; j++) {
        target[to + j] += x[at + i] * t[i * wide + j];
      }
    }
  }

  /** {@code U_JJ^-1}, upper triangular. */
  static float[] inverseOfUpper(Matrix u, int at, int wide) {
    var inverse = new double[wide * wide];
    for (int j = 0; j < wide; j++) {
      inverse[j * wide + j] = 1.0 / u.at(at + j, at + j);
      for (int i = j - 1; i >= 0; i--) {
        double sum = 0;
        for (int k = i + 1; k <= j; k++) {
          sum += u.at(at + i, at + k) * inverse[k * wide + j];
        }
        inverse[i * wide + j] = -sum / u.at(at + i, at + i);
      }
    }
    return floats(inverse);
  }

  /** {@code L}, lower triangular, of a diagonal block of {@code H}. */
  static float[] factor(Matrix h, int at, int wide) {
    var l = new double[wide * wide];
    for (int i = 0; i < wide; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = h.at(at + i, at + j);
        for (int k = 0; k < j; k++) {
          sum -= l[i * wide + k] * l[j * wide + k];
        }
        l[i * wide + j] = i == j ? Math.sqrt(sum) : sum / l[j * wide + j];
      }
    }
    return floats(l);
  }

  /** {@code (L L^T)^-1}. */
  static float[] inverse(float[] l, int wide) {
    var inverse = new double[wide * wide];
    for (int column = 0; column < wide; column++) {
      var x = new double[wide];
      for (int i = 0; i < wide; i++) {
        double sum = i == column ? 1 : 0;
        for (int k = 0; k < i; k++) {
          sum -= l[i * wide + k] * x[k];
        }
        x[i] = sum / l[i * wide + i];
      }
      for (int i = wide - 1; i >= 0; i--) {
        double sum = x[i];
        for (int k = i + 1; k < wide; k++) {
          sum -= l[k * wide + i] * x[k];
        }
        x[i] = sum / l[i * wide + i];
      }
      for (int i = 0; i < wide; i++) {
        inverse[i * wide + column] = x[i];
      }
    }
    return floats(inverse);
  }

  private static float[] floats(double[] values) {
    var floats = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      floats[i] = (float) values[i];
    }
    return floats;
  }
}
