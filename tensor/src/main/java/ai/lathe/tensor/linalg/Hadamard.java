package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.WalshHadamard;

/**
 * Orthogonal matrices whose entries are all {@code +-1 / sqrt(n)}: rotated by one, a large value is
 * spread over all features alike.
 *
 * <p>Sylvester's for powers of two, which {@link #rotate} applies in {@code n log n} operations;
 * Paley's constructions over the integers modulo a prime give 12, 20, 28, 36 and more; Kronecker
 * products combine them, {@code 576 = 16 x 36}.
 *
 * @see <a href="https://doi.org/10.1002/sapm1933121311">Paley, On orthogonal matrices, 1933</a>
 */
public final class Hadamard {

  private Hadamard() {}

  /** Every run of {@code size} values; see {@link WalshHadamard#rotate}. */
  public static void rotate(float[] values, int at, int length, int size) {
    WalshHadamard.rotate(values, at, length, size);
  }

  /** {@code W := W Hb}: blocks of {@code size} inputs of every row of {@code [out, in]}. */
  public static void rotateInputs(Matrix weight, int size) {
    int columns = weight.columns();
    Parallel.forEach(weight.rows(), row -> rotate(weight.values(), row * columns, columns, size));
  }

  /**
   * {@code H := Hb H Hb}, the Gram matrix {@code X X^T [in, in]} of inputs rotated in blocks of
   * {@code size}.
   */
  public static void rotateGram(Matrix gram, int size) {
    rotateInputs(gram, size);
    int n = gram.columns();
    transpose(gram);
    rotateInputs(gram, size);
    // Both passes round alike, so the result is symmetric but for the order of the passes.
    for (int i = 0; i < n; i++) {
      for (int j = i + 1; j < n; j++) {
        float mean = (gram.at(i, j) + gram.at(j, i)) / 2;
        gram.set(i, j, mean);
        gram.set(j, i, mean);
      }
    }
  }

  private static void transpose(Matrix square) {
    for (int i = 0; i < square.rows(); i++) {
      for (int j = i + 1; j < square.columns(); j++) {
        float kept = square.at(i, j);
        square.set(i, j, square.at(j, i));
        square.set(j, i, kept);
      }
    }
  }

  /**
   * The largest block of which a matrix is known and which divides {@code n}: {@code n} itself for
   * most widths that models have, at least the power of two in it.
   */
  public static int blockFor(int n) {
    int odd = n >> Integer.numberOfTrailingZeros(n);
    int block = n / odd;
    for (int divisor = odd; divisor > 1; divisor--) {
      if (odd % divisor == 0 && paleyOrder(block * divisor) > 0) {
        return block * divisor;
      }
    }
    return block;
  }

  /**
   * {@code H [n, n]} with {@code H H^T = I}, block-diagonal where {@link #blockFor} is less than
   * {@code n}.
   */
  public static Matrix matrix(int n) {
    var matrix = Matrix.zeros(n, n);
    int block = blockFor(n);
    int small = Math.max(1, paleyOrder(block));
    var signs = small == 1 ? new int[][] {{1}} : paley(small);
    float value = (float) (1 / Math.sqrt(block));
    for (int i = 0; i < n; i++) {
      int first = i / block * block;
      for (int j = first; j < first + block; j++) {
        int row = i - first;
        int column = j - first;
        int sign =
            signs[row % small][column % small]
                * ((Integer.bitCount((row / small) & (column / small)) & 1) == 0 ? 1 : -1);
        matrix.set(i, j, sign * value);
      }
    }
    return matrix;
  }

  /**
   * The order of Paley's matrix of which {@code n} is a power of two times; 1 for a power of two, 0
   * where there is none.
   */
  private static int paleyOrder(int n) {
    int odd = n >> Integer.numberOfTrailingZeros(n);
    if (odd == 1) {
      return 1;
    }
    for (int order = 4 * odd; order <= n; order *= 2) {
      if (n % order == 0 && (firstKind(order) || secondKind(order))) {
        return order;
      }
    }
    return 0;
  }

  private static boolean firstKind(int order) {
    return order % 4 == 0 && isPrime(order - 1);
  }

  private static boolean secondKind(int order) {
    int prime = order / 2 - 1;
    return order % 4 == 0 && prime % 4 == 1 && isPrime(prime);
  }

  private static boolean isPrime(int n) {
    for (int divisor = 2; divisor * divisor <= n; divisor++) {
      if (n % divisor == 0) {
        return false;
      }
    }
    return n > 1;
  }

  /** Signs of a matrix with {@code H H^T = order I}. */
  private static int[][] paley(int order) {
    return firstKind(order) ? paleyOne(order) : paleyTwo(order);
  }

  /** {@code I + [0 1; -1 Q]}, Q antisymmetric: primes that leave 3 when divided by 4. */
  private static int[][] paleyOne(int order) {
    var signs = conference(order, -1);
    for (int i = 0; i < order; i++) {
      signs[i][i] = 1;
    }
    return signs;
  }

  /** {@code C x [1 1; 1 -1] + I x [1 -1; -1 -1]}, C symmetric: primes that leave 1. */
  private static int[][] paleyTwo(int order) {
    var c = conference(order / 2, 1);
    var signs = new int[order][order];
    for (int i = 0; i < order / 2; i++) {
      for (int j = 0; j < order / 2; j++) {
        int[] four = i == j ? new int[] {1, -1, -1, -1} : new int[] {1, 1, 1, -1};
        int sign = i == j ? 1 : c[i][j];
        for (int k = 0; k < 4; k++) {
          signs[2 * i + k / 2][2 * j + k % 2] = sign * four[k];
        }
      }
    }
    return signs;
  }

  /** Quadratic residues bordered by ones: {@code C C^T = (order - 1) I}, zeros on the diagonal. */
  private static int[][] conference(int order, int border) {
    int prime = order - 1;
    var residue = new boolean[prime];
    for (int i = 1; i < prime; i++) {
      residue[(int) ((long) i * i % prime)] = true;
    }
    var c = new int[order][order];
    for (int i = 1; i < order; i++) {
      c[0][i] = 1;
      c[i][0] = border;
      for (int j = 1; j < order; j++) {
        c[i][j] = i == j ? 0 : residue[Math.floorMod(i - j, prime)] ? 1 : -1;
      }
    }
    return c;
  }
}
