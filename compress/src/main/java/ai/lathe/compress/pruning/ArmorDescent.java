package ai.lathe.compress.pruning;

import ai.lathe.compress.training.Adam;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.Parallel;
import ai.lathe.tensor.linalg.View;
import java.util.SplittableRandom;

/**
 * ARMOR's optimisation. An iteration is a step of Adam on {@code A}, {@code B} and the values of
 * {@code S}, then in each pair of a block of {@code A} and one of {@code B} the best choice of one
 * group of four of {@code S}. Pairs do not depend on each other: {@code (A S B)} of a pair is of
 * this pair's part of {@code S} alone.
 */
final class ArmorDescent {

  /** Iterations end where so many in a row gain less than a share of the loss. */
  private static final int PATIENCE = 100;

  private static final double LEAST_GAIN = 1e-6;

  /** Keeps columns of zeros solvable, as in the authors' code. */
  private static final double COLUMN_RIDGE = 1e-8;

  private final Matrix w;
  private final float[] squares;
  private final int high;
  private final int wide;
  private final SplittableRandom random;
  private final Matrix a;
  private final Matrix b;
  private final Matrix s;
  private final boolean[] kept;
  private final Adam stepA;
  private final Adam stepB;
  private final Adam stepS;
  private final double atZero;

  /** {@code A S} and {@code A S B}, as they are. */
  private final Matrix left;

  private final Matrix product;

  /** {@code d loss / d (A S B)}, then what it becomes on the way back. */
  private final Matrix slope;

  private final Matrix right;
  private final Matrix slopeS;

  /**
   * @param w rows and columns of length 1
   * @param squares {@code h}, the squared norm of each input
   * @param high of a block of {@code A}, divides the rows
   * @param wide of a block of {@code B}, divides the columns, a multiple of 4
   */
  ArmorDescent(Matrix w, float[] squares, int high, int wide, double learningRate, long seed) {
    this.w = w;
    this.squares = squares;
    this.high = high;
    this.wide = wide;
    this.random = new SplittableRandom(seed);
    int m = w.rows();
    int n = w.columns();
    a = identity(m, high);
    b = identity(n, wide);
    s = Matrix.zeros(m, n);
    kept = new boolean[m * n];
    var mask = Armor.mask(w, squares);
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        kept[i * n + j] = mask.keeps(i, j);
        s.set(i, j, mask.keeps(i, j) ? w.at(i, j) : 0);
      }
    }
    stepA = new Adam(a, learningRate);
    stepB = new Adam(b, learningRate);
    stepS = new Adam(s, learningRate);
    left = Matrix.zeros(m, n);
    product = Matrix.zeros(m, n);
    slope = Matrix.zeros(m, n);
    right = Matrix.zeros(m, n);
    slopeS = Matrix.zeros(m, n);
    multiply();
    atZero = loss(Matrix.zeros(m, n));
  }

  /** Blocks under each other, {@code [n, size]}. */
  private static Matrix identity(int n, int size) {
    var blocks = Matrix.zeros(n, size);
    for (int i = 0; i < n; i++) {
      blocks.set(i, i % size, 1);
    }
    return blocks;
  }

  /** Blocks under each other, {@code [out, high]}. */
  Matrix a() {
    return a;
  }

  /** Blocks under each other, {@code [in, wide]}. */
  Matrix b() {
    return b;
  }

  /** {@code S}, zeros included. */
  Matrix core() {
    return s;
  }

  Mask mask() {
    int words = Math.ceilDiv(s.columns(), 64);
    var bits = new long[s.rows() * words];
    for (int i = 0; i < s.rows(); i++) {
      for (int j = 0; j < s.columns(); j++) {
        if (kept[i * s.columns() + j]) {
          bits[i * words + (j >> 6)] |= 1L << j;
        }
      }
    }
    return new Mask(s.rows(), s.columns(), bits);
  }

  /** As a share of what it is for {@code S = 0}. */
  double loss() {
    return atZero == 0 ? 0 : loss(product) / atZero;
  }

  /** With factors as they are by now, changed from outside. */
  double freshLoss() {
    multiply();
    return loss();
  }

  /**
   * Of the loss as a share: by {@code A}, {@code B} or {@code S}, as {@link #gradients} left it.
   */
  Matrix slopes(int factor) {
    return switch (factor) {
      case 0 -> stepA.gradient();
      case 1 -> stepB.gradient();
      default -> stepS.gradient();
    };
  }

  private double loss(Matrix approximation) {
    var rows = new double[w.rows()];
    int n = w.columns();
    Parallel.forEach(
        rows.length,
        i -> {
          double sum = 0;
          for (int j = 0; j < n; j++) {
            double error = w.at(i, j) - approximation.at(i, j);
            sum += squares[j] * error * error;
          }
          rows[i] = sum;
        });
    double sum = 0;
    for (double row : rows) {
      sum += row;
    }
    return sum;
  }

  void run(int iterations) {
    double best = loss();
    int idle = 0;
    for (int i = 0; i < iterations && idle < PATIENCE && best > 0; i++) {
      gradients();
      step();
      place();
      double loss = loss();
      idle = loss < best * (1 - LEAST_GAIN) ? 0 : idle + 1;
      best = Math.min(best, loss);
    }
  }

  /** {@code A S} and {@code A S B} of the factors as they are. */
  private void multiply() {
    clear(left);
    clear(product);
    for (int i = 0; i < s.rows(); i += high) {
      Gemm.add(rows(left, i, high), View.of(a, i, i + high, 0, high), rows(s, i, high));
    }
    for (int j = 0; j < s.columns(); j += wide) {
      Gemm.add(columns(product, j), columns(left, j), View.of(b, j, j + wide, 0, wide));
    }
  }

  /** Of the loss as a share, by all three factors; into their Adams and {@link #slopeS}. */
  void gradients() {
    int n = w.columns();
    double scale = atZero == 0 ? 0 : 2 / atZero;
    Parallel.forEach(
        w.rows(),
        i -> {
          for (int j = 0; j < n; j++) {
            double error = product.at(i, j) - w.at(i, j);
            slope.set(i, j, (float) (scale * squares[j] * error));
          }
        });
    clear(stepB.gradient());
    clear(right);
    for (int j = 0; j < n; j += wide) {
      // d B = (A S)^T d; and d B^T goes back to A S.
      var block = View.of(b, j, j + wide, 0, wide);
      Gemm.add(
          View.of(stepB.gradient(), j, j + wide, 0, wide),
          columns(left, j).transposed(),
          columns(slope, j));
      Gemm.add(columns(right, j), columns(slope, j), block.transposed());
    }
    clear(stepA.gradient());
    clear(slopeS);
    for (int i = 0; i < w.rows(); i += high) {
      var block = View.of(a, i, i + high, 0, high);
      Gemm.add(
          View.of(stepA.gradient(), i, i + high, 0, high),
          rows(right, i, high),
          rows(s, i, high).transposed());
      Gemm.add(rows(slopeS, i, high), block.transposed(), rows(right, i, high));
    }
    for (int i = 0; i < kept.length; i++) {
      stepS.gradient().values()[i] = kept[i] ? slopeS.values()[i] : 0;
    }
  }

  void step() {
    stepA.step();
    stepB.step();
    stepS.step();
    for (int i = 0; i < kept.length; i++) {
      if (!kept[i]) {
        s.values()[i] = 0;
      }
    }
    multiply();
  }

  /**
   * One group of four in each pair of blocks: of those whose gradient is large, more often. Its two
   * weights are placed and chosen so that the pair's loss is the least possible; never increases
   * it.
   */
  void place() {
    int down = s.rows() / high;
    int across = s.columns() / wide;
    var draws = new double[down * across];
    for (int pair = 0; pair < draws.length; pair++) {
      draws[pair] = random.nextDouble();
    }
    Parallel.forEach(
        draws.length,
        pair -> {
          int i = pair / across * high;
          int j = pair % across * wide;
          int group = draw(i, j, draws[pair]);
          if (group >= 0) {
            place(i, j, group / (wide / 4), group % (wide / 4) * 4);
          }
        });
  }

  /**
   * A group of a pair, with a probability that is its share of the sizes of gradients; -1: none.
   */
  private int draw(int i, int j, double at) {
    int groups = wide / 4;
    var sizes = new double[high * groups];
    double sum = 0;
    for (int g = 0; g < sizes.length; g++) {
      int first = (i + g / groups) * s.columns() + j + g % groups * 4;
      for (int k = first; k < first + 4; k++) {
        sizes[g] += Math.abs(slopeS.values()[k]);
      }
      sum += sizes[g];
    }
    if (!(sum > 0)) {
      return -1;
    }
    double left = at * sum;
    int last = 0;
    for (int g = 0; g < sizes.length && left >= 0; g++) {
      left -= sizes[g];
      last = g;
    }
    return last;
  }

  /**
   * Least squares for the four weights at row {@code p}, columns {@code q ..} of the pair at {@code
   * (i, j)}: with {@code a} the column of {@code A} and {@code C} the four rows of {@code B}, both
   * of what they multiply, {@code v = (C C^T)^-1 C R^T a / |a|^2} over two of them, {@code R} being
   * what the pair lacks without them.
   */
  private void place(int i, int j, int p, int q) {
    int n = s.columns();
    int at = (i + p) * n + j + q;
    var old = new double[4];
    for (int k = 0; k < 4; k++) {
      old[k] = s.values()[at + k];
    }
    double norm = COLUMN_RIDGE;
    for (int r = 0; r < high; r++) {
      norm += (double) a.at(i + r, p) * a.at(i + r, p);
    }
    // a^T (W - A S B) of the pair; a^T a times the group itself is put back below.
    var lacking = new double[wide];
    for (int r = 0; r < high; r++) {
      double factor = a.at(i + r, p);
      for (int c = 0; c < wide; c++) {
        lacking[c] += factor * (w.at(i + r, j + c) - product.at(i + r, j + c));
      }
    }
    var inner = new double[4][4];
    var against = new double[4];
    for (int k = 0; k < 4; k++) {
      for (int c = 0; c < wide; c++) {
        against[k] += (double) b.at(j + q + k, c) * squares[j + c] * lacking[c];
      }
      for (int l = 0; l < 4; l++) {
        for (int c = 0; c < wide; c++) {
          inner[k][l] += (double) b.at(j + q + k, c) * squares[j + c] * b.at(j + q + l, c);
        }
      }
    }
    for (int k = 0; k < 4; k++) {
      for (int l = 0; l < 4; l++) {
        against[k] += norm * inner[k][l] * old[l];
      }
    }
    var best = new TwoOfFour(inner, against, norm).best(old);
    if (best != old) {
      change(i, j, p, q, old, best);
    }
  }

  /** Puts the values in {@code S}, and their part in {@code A S} and {@code A S B}. */
  private void change(int i, int j, int p, int q, double[] old, double[] values) {
    int n = s.columns();
    int at = (i + p) * n + j + q;
    var row = new double[wide];
    for (int k = 0; k < 4; k++) {
      s.values()[at + k] = (float) values[k];
      kept[at + k] = false;
      if (values[k] == 0) {
        stepS.forget(at + k);
      }
      for (int c = 0; c < wide; c++) {
        row[c] += (s.values()[at + k] - (float) old[k]) * b.at(j + q + k, c);
      }
    }
    keepTwo(at);
    for (int r = 0; r < high; r++) {
      double factor = a.at(i + r, p);
      int to = (i + r) * n + j;
      for (int c = 0; c < wide; c++) {
        product.values()[to + c] += (float) (factor * row[c]);
      }
      for (int k = 0; k < 4; k++) {
        left.values()[to + q + k] += (float) (factor * (s.values()[at + k] - (float) old[k]));
      }
    }
  }

  /** Those that are not zero, and the first of the others up to two: the count is fixed. */
  private void keepTwo(int at) {
    int count = 0;
    for (int k = at; k < at + 4; k++) {
      kept[k] = s.values()[k] != 0;
      count += kept[k] ? 1 : 0;
    }
    for (int k = at; k < at + 4 && count < 2; k++) {
      if (!kept[k]) {
        kept[k] = true;
        count++;
      }
    }
  }

  private static View rows(Matrix matrix, int from, int count) {
    return View.of(matrix, from, from + count, 0, matrix.columns());
  }

  private View columns(Matrix matrix, int from) {
    return View.of(matrix, 0, matrix.rows(), from, from + wide);
  }

  private static void clear(Matrix matrix) {
    java.util.Arrays.fill(matrix.values(), 0);
  }
}
