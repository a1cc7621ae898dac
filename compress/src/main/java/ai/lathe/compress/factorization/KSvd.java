package ai.lathe.compress.factorization;

import ai.lathe.tensor.linalg.Parallel;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * K-SVD: a dictionary {@code D [k, p]} and coefficients {@code C [n, k]}, {@code s} in each row, of
 * little {@code ||A - C D||}. An iteration codes all rows anew by {@link OrthogonalPursuit}, and
 * then makes each atom and its coefficients the best pair there is with all others as they are, by
 * power iterations on what these leave. A row keeps its code where the new one is no better, and
 * power iterations begin at the atom as it is, so that the error never grows.
 *
 * @see <a href="https://doi.org/10.1109/TSP.2006.881199">Aharon, Elad, Bruckstein, 2006</a>
 */
final class KSvd {

  /** Rows that one task takes; sums are made of tasks' sums in order. */
  private static final int CHUNK = 64;

  private static final int POWER_ITERATIONS = 3;

  private final double[] target;
  private final int rows;
  private final int width;
  private final int atoms;
  private final int each;
  private final double[] dictionary;
  private final double[] rest;
  private final int[] support;
  private final double[] weights;
  private final double energy;
  private final SplittableRandom random;

  /**
   * @param target {@code A [rows, width]}
   * @param dictionary {@code D [atoms, width]} to begin with, of any lengths but 0; changed
   * @param each atoms of a row, at most {@code atoms}
   */
  KSvd(double[] target, int rows, double[] dictionary, int atoms, int each, long seed) {
    this.target = target;
    this.rows = rows;
    this.width = target.length / rows;
    this.dictionary = dictionary;
    this.atoms = atoms;
    this.each = each;
    this.rest = target.clone();
    this.support = new int[rows * each];
    this.weights = new double[rows * each];
    Arrays.fill(support, -1);
    this.energy = dot(target, 0, target, 0, target.length);
    this.random = new SplittableRandom(seed);
    for (int k = 0; k < atoms; k++) {
      normalise(k * width);
    }
  }

  /** Codes, then atoms. */
  void iterate() {
    code();
    updateAtoms();
  }

  /** {@code ||A - C D||^2 / ||A||^2}. */
  double error() {
    return energy == 0 ? 0 : dot(rest, 0, rest, 0, rest.length) / energy;
  }

  double[] dictionary() {
    return dictionary;
  }

  /** The atoms of row {@code i} at {@code [i * each ..]}; -1 where it has fewer. */
  int[] support() {
    return support;
  }

  /** Of the atoms of {@link #support}. */
  double[] weights() {
    return weights;
  }

  private void code() {
    double[] gram;
    double[] products;
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      var d = Doubles.of(dictionary, atoms, width);
      gram = Doubles.array(d.mm(d.t()));
      products = Doubles.array(Doubles.of(target, rows, width).mm(d.t()));
    }
    Parallel.forEach(
        Math.ceilDiv(rows, CHUNK),
        chunk -> {
          var pursuit = new OrthogonalPursuit(gram, atoms, each);
          for (int i = chunk * CHUNK; i < Math.min(rows, (chunk + 1) * CHUNK); i++) {
            code(i, pursuit, products);
          }
        });
  }

  private void code(int row, OrthogonalPursuit pursuit, double[] products) {
    int count = pursuit.code(products, row * atoms);
    int at = row * width;
    var now = Arrays.copyOfRange(target, at, at + width);
    for (int n = 0; n < count; n++) {
      add(-pursuit.weights()[n], dictionary, pursuit.support()[n] * width, now, 0, width);
    }
    if (dot(now, 0, now, 0, width) < dot(rest, at, rest, at, width)) {
      System.arraycopy(now, 0, rest, at, width);
      for (int n = 0; n < each; n++) {
        support[row * each + n] = n < count ? pursuit.support()[n] : -1;
        weights[row * each + n] = n < count ? pursuit.weights()[n] : 0;
      }
    }
  }

  private void updateAtoms() {
    var users = users();
    var replaced = new boolean[rows];
    for (int atom : order()) {
      if (users[atom].length == 0) {
        replace(atom, replaced);
      } else {
        update(atom, users[atom]);
      }
    }
  }

  /** Places in {@link #support} that name each atom. */
  private int[][] users() {
    var counts = new int[atoms];
    for (int atom : support) {
      if (atom >= 0) {
        counts[atom]++;
      }
    }
    var users = new int[atoms][];
    for (int atom = 0; atom < atoms; atom++) {
      users[atom] = new int[counts[atom]];
    }
    for (int place = support.length - 1; place >= 0; place--) {
      if (support[place] >= 0) {
        users[support[place]][--counts[support[place]]] = place;
      }
    }
    return users;
  }

  private int[] order() {
    var order = new int[atoms];
    for (int i = 0; i < atoms; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    return order;
  }

  /** An atom that nobody uses becomes the row that is coded worst. */
  private void replace(int atom, boolean[] replaced) {
    int worst = -1;
    double most = 0;
    for (int i = 0; i < rows; i++) {
      double error = replaced[i] ? 0 : dot(rest, i * width, rest, i * width, width);
      if (error > most) {
        most = error;
        worst = i;
      }
    }
    if (worst >= 0) {
      replaced[worst] = true;
      System.arraycopy(target, worst * width, dictionary, atom * width, width);
      normalise(atom * width);
    }
  }

  private void update(int atom, int[] places) {
    int at = atom * width;
    int chunks = Math.ceilDiv(places.length, CHUNK);
    var sums = new double[chunks][width];
    for (int iteration = 0; iteration <= POWER_ITERATIONS; iteration++) {
      boolean first = iteration == 0;
      boolean last = iteration == POWER_ITERATIONS;
      Parallel.forEach(
          chunks,
          chunk -> {
            var sum = sums[chunk];
            Arrays.fill(sum, 0);
            for (int n = chunk * CHUNK; n < Math.min(places.length, (chunk + 1) * CHUNK); n++) {
              int place = places[n];
              int row = place / each * width;
              if (first) {
                // As if the row had all its atoms but this one.
                add(weights[place], dictionary, at, rest, row, width);
              }
              double along = dot(rest, row, dictionary, at, width);
              if (last) {
                weights[place] = along;
                add(-along, dictionary, at, rest, row, width);
              } else {
                add(along, rest, row, sum, 0, width);
              }
            }
          });
      if (!last) {
        for (int chunk = 1; chunk < chunks; chunk++) {
          add(1, sums[chunk], 0, sums[0], 0, width);
        }
        if (dot(sums[0], 0, sums[0], 0, width) > 0) {
          System.arraycopy(sums[0], 0, dictionary, at, width);
          normalise(at);
        }
      }
    }
  }

  private void normalise(int at) {
    double length = Math.sqrt(dot(dictionary, at, dictionary, at, width));
    for (int j = at; j < at + width; j++) {
      dictionary[j] /= length;
    }
  }

  private static void add(double factor, double[] from, int a, double[] to, int b, int count) {
    for (int j = 0; j < count; j++) {
      to[b + j] += factor * from[a + j];
    }
  }

  /** In four sums, which need not wait for each other. */
  private static double dot(double[] x, int a, double[] y, int b, int count) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int j = 0;
    for (; j + 4 <= count; j += 4) {
      s0 += x[a + j] * y[b + j];
      s1 += x[a + j + 1] * y[b + j + 1];
      s2 += x[a + j + 2] * y[b + j + 2];
      s3 += x[a + j + 3] * y[b + j + 3];
    }
    for (; j < count; j++) {
      s0 += x[a + j] * y[b + j];
    }
    return s0 + s1 + (s2 + s3);
  }
}
