package ai.lathe.compress.quantization;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;

/**
 * The continuous half of codebook quantization: with all codes as they are, the codebooks and the
 * scales with the least {@code tr((W - Q) H (W - Q)^T)}.
 *
 * <p>The decoded weight is linear in the codebooks, so they are a least squares problem with the
 * normal equations {@code decode^T(H decode(C)) = decode^T(H W)}, solved by conjugate gradients,
 * preconditioned by their diagonal. Each step costs one product with {@code H} and lowers the loss;
 * entries that no code names stay as they are. With the codebooks as they are, each scale is a
 * quotient.
 */
final class CodebookFit {

  private final BlockCodes codes;
  private final Matrix w;
  private final Matrix h;

  /**
   * @param w {@code W^T [in, out]} as {@link BlockCodes#transposed} gives it
   * @param h {@code [in, in]}, positive definite
   */
  CodebookFit(BlockCodes codes, Matrix w, Matrix h) {
    this.codes = codes;
    this.w = w;
    this.h = h;
  }

  /** {@code H (W - Q)^T}. */
  Matrix pending() {
    return product(error());
  }

  /** {@code tr((W - Q) H (W - Q)^T)}. */
  double loss() {
    var error = error();
    return dot(error, product(error));
  }

  /** The loss of each row of blocks. */
  double[] losses() {
    var error = error();
    var product = product(error);
    int tall = codes.encoding.outGroup();
    var losses = new double[codes.down];
    for (int j = 0; j < codes.columns; j++) {
      for (int i = 0; i < codes.out; i++) {
        int at = j * codes.out + i;
        losses[i / tall] += (double) error.values()[at] * product.values()[at];
      }
    }
    return losses;
  }

  private Matrix error() {
    var error = codes.decode();
    for (int i = 0; i < error.values().length; i++) {
      error.values()[i] = w.values()[i] - error.values()[i];
    }
    return error;
  }

  private Matrix product(Matrix x) {
    var product = Matrix.zeros(codes.columns, codes.out);
    Gemm.add(View.of(product), View.of(h), View.of(x));
    return product;
  }

  /** At most this many steps of conjugate gradients on the codebooks. */
  void books(int steps) {
    var residual = codes.gather(pending());
    var diagonal = diagonal();
    var z = precondition(residual, diagonal);
    var direction = copy(z);
    double rz = dot(residual, z);
    double first = rz;
    var image = Matrix.zeros(codes.columns, codes.out);
    for (int step = 0; step < steps && rz > 1e-8 * first; step++) {
      codes.decode(floats(direction), codes.scales, image);
      var product = product(image);
      double curvature = dot(image, product);
      if (!(curvature > 0)) {
        return;
      }
      double length = rz / curvature;
      var lowered = codes.gather(product);
      for (int m = 0; m < residual.length; m++) {
        for (int k = 0; k < residual[m].length; k++) {
          codes.books[m][k] += (float) (length * direction[m][k]);
          residual[m][k] -= length * lowered[m][k];
        }
      }
      z = precondition(residual, diagonal);
      double next = dot(residual, z);
      for (int m = 0; m < residual.length; m++) {
        for (int k = 0; k < residual[m].length; k++) {
          direction[m][k] = z[m][k] + next / rz * direction[m][k];
        }
      }
      rz = next;
    }
  }

  /**
   * The best scale of each row of blocks: {@code <W, U>_H / <U, U>_H}, {@code U} decoded with 1.
   */
  void scales() {
    var ones = new float[codes.down];
    java.util.Arrays.fill(ones, 1);
    var plain = Matrix.zeros(codes.columns, codes.out);
    codes.decode(codes.books, ones, plain);
    var product = product(plain);
    int tall = codes.encoding.outGroup();
    Parallel.forEach(
        codes.down,
        row -> {
          double up = 0;
          double below = 0;
          for (int j = 0; j < codes.columns; j++) {
            for (int i = row * tall; i < (row + 1) * tall; i++) {
              int at = j * codes.out + i;
              up += (double) w.values()[at] * product.values()[at];
              below += (double) plain.values()[at] * product.values()[at];
            }
          }
          if (below > 0 && up > 0) {
            codes.scales[row] = (float) (up / below);
          }
        });
  }

  /** What the diagonal of the normal equations is: the sum of {@code scale^2 H_jj} of all uses. */
  private double[][] diagonal() {
    var weights = Matrix.zeros(codes.columns, codes.out);
    int tall = codes.encoding.outGroup();
    for (int j = 0; j < codes.columns; j++) {
      for (int i = 0; i < codes.out; i++) {
        weights.values()[j * codes.out + i] = codes.scales[i / tall] * h.at(j, j);
      }
    }
    return codes.gather(weights);
  }

  private static double[][] precondition(double[][] residual, double[][] diagonal) {
    var z = new double[residual.length][];
    for (int m = 0; m < z.length; m++) {
      z[m] = new double[residual[m].length];
      for (int k = 0; k < z[m].length; k++) {
        z[m][k] = diagonal[m][k] > 0 ? residual[m][k] / diagonal[m][k] : 0;
      }
    }
    return z;
  }

  private static double[][] copy(double[][] x) {
    var copy = new double[x.length][];
    for (int m = 0; m < x.length; m++) {
      copy[m] = x[m].clone();
    }
    return copy;
  }

  private static float[][] floats(double[][] x) {
    var floats = new float[x.length][];
    for (int m = 0; m < x.length; m++) {
      floats[m] = new float[x[m].length];
      for (int k = 0; k < x[m].length; k++) {
        floats[m][k] = (float) x[m][k];
      }
    }
    return floats;
  }

  private static double dot(double[][] a, double[][] b) {
    double sum = 0;
    for (int m = 0; m < a.length; m++) {
      for (int k = 0; k < a[m].length; k++) {
        sum += a[m][k] * b[m][k];
      }
    }
    return sum;
  }

  private static double dot(Matrix a, Matrix b) {
    double sum = 0;
    for (int i = 0; i < a.values().length; i++) {
      sum += (double) a.values()[i] * b.values()[i];
    }
    return sum;
  }
}
