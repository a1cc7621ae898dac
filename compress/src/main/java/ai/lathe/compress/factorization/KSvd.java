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

  /** Rows of their own, so that loops over two of them run on the vector unit. */
  private final double[][] target;

  private final int rows;
  private final int width;
  private final int atoms;
  private final int each;
  private final double[][] dictionary;
  private final double[][] rest;
  private final int[] support;
  private final double[] weights;
  private final double energy;
  private final SplittableRandom random;

  /** By {@link System#nanoTime}; all rows are coded once even after it. */
  private long deadline;

  private boolean limited;
  private boolean coded;

  /**
   * @param target {@code A [rows][width]}, not changed
   * @param dictionary {@code D [atoms][width]} to begin with, of any lengths but 0; changed
   * @param each atoms of a row, at most as many as there are
   */
  KSvd(double[][] target, double[][] dictionary, int each, long seed) {
    this.target = target;
    this.rows = target.length;
    this.width = target[0].length;
    this.dictionary = dictionary;
    this.atoms = dictionary.length;
    this.each = each;
    this.rest = Arrays.stream(target).map(double[]::clone).toArray(double[][]::new);
    this.support = new int[rows * each];
    this.weights = new double[rows * each];
    Arrays.fill(support, -1);
    this.energy = energy(target);
    this.random = new SplittableRandom(seed);
    for (var atom : dictionary) {
      normalise(atom);
    }
  }

  /** Codes, then atoms. */
  void iterate() {
    code();
    updateAtoms();
  }

  /**
   * From when on rows and atoms stay as they are: the error is then what it had come to. Every row
   * is coded once in any case.
   *
   * @param nanoTime by {@link System#nanoTime}
   */
  void endBy(long nanoTime) {
    deadline = nanoTime;
    limited = true;
  }

  boolean ended() {
    return limited && System.nanoTime() - deadline >= 0;
  }

  /** {@code ||A - C D||^2 / ||A||^2}. */
  double error() {
    return energy == 0 ? 0 : energy(rest) / energy;
  }

  double[][] dictionary() {
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
      var d = Doubles.of(flat(dictionary), atoms, width);
      gram = Doubles.array(d.mm(d.t()));
      products = Doubles.array(Doubles.of(flat(target), rows, width).mm(d.t()));
    }
    Parallel.forEach(
        Math.ceilDiv(rows, CHUNK),
        chunk -> {
          if (coded && ended()) {
            return;
          }
          var pursuit = new OrthogonalPursuit(gram, atoms, each);
          for (int i = chunk * CHUNK; i < Math.min(rows, (chunk + 1) * CHUNK); i++) {
            code(i, pursuit, products);
          }
        });
    coded = true;
  }

  private void code(int row, OrthogonalPursuit pursuit, double[] products) {
    int count = pursuit.code(products, row * atoms);
    var now = target[row].clone();
    for (int n = 0; n < count; n++) {
      add(-pursuit.weights()[n], dictionary[pursuit.support()[n]], now);
    }
    if (dot(now, now) < dot(rest[row], rest[row])) {
      rest[row] = now;
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
      if (ended()) {
        return;
      }
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
      double error = replaced[i] ? 0 : dot(rest[i], rest[i]);
      if (error > most) {
        most = error;
        worst = i;
      }
    }
    if (worst >= 0) {
      replaced[worst] = true;
      dictionary[atom] = target[worst].clone();
      normalise(dictionary[atom]);
    }
  }

  private void update(int atom, int[] places) {
    var own = dictionary[atom];
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
              var row = rest[place / each];
              if (first) {
                // As if the row had all its atoms but this one.
                add(weights[place], own, row);
              }
              double along = dot(row, own);
              if (last) {
                weights[place] = along;
                add(-along, own, row);
              } else {
                add(along, row, sum);
              }
            }
          });
      if (!last) {
        for (int chunk = 1; chunk < chunks; chunk++) {
          add(1, sums[chunk], sums[0]);
        }
        if (dot(sums[0], sums[0]) > 0) {
          System.arraycopy(sums[0], 0, own, 0, width);
          normalise(own);
        }
      }
    }
  }

  private static void normalise(double[] atom) {
    double length = Math.sqrt(dot(atom, atom));
    for (int j = 0; j < atom.length; j++) {
      atom[j] /= length;
    }
  }

  private static double energy(double[][] rows) {
    double sum = 0;
    for (var row : rows) {
      sum += dot(row, row);
    }
    return sum;
  }

  private static double[] flat(double[][] rows) {
    return Arrays.stream(rows).flatMapToDouble(Arrays::stream).toArray();
  }

  private static void add(double factor, double[] from, double[] to) {
    for (int j = 0; j < to.length; j++) {
      to[j] += factor * from[j];
    }
  }

  /** In four sums, which need not wait for each other. */
  private static double dot(double[] x, double[] y) {
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int j = 0;
    for (; j + 4 <= x.length; j += 4) {
      s0 += x[j] * y[j];
      s1 += x[j + 1] * y[j + 1];
      s2 += x[j + 2] * y[j + 2];
      s3 += x[j + 3] * y[j + 3];
    }
    for (; j < x.length; j++) {
      s0 += x[j] * y[j];
    }
    return s0 + s1 + (s2 + s3);
  }
}
