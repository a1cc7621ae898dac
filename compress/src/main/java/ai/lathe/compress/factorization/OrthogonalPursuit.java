package ai.lathe.compress.factorization;

/**
 * Orthogonal matching pursuit of many vectors over one dictionary (batch OMP): takes the atom that
 * the rest of the vector goes along most, makes the rest orthogonal to all atoms taken, and again.
 * Only inner products are needed, in float64.
 *
 * <p>Atoms taken are orthogonalised one after the other: what a new direction has in common with
 * all atoms is {@code g_n = (G_j - sum of L_ni g_i) / L_nn}, with {@code L_ni = g_i[j]} the new row
 * of the Cholesky factor of the atoms' inner products. Holds one vector's work at a time: one
 * instance a thread.
 *
 * @see <a href="https://www.cs.technion.ac.il/~ronrubin/Publications/KSVD-OMP-v2.pdf">Rubinstein,
 *     Zibulevsky, Elad, 2008</a>
 */
final class OrthogonalPursuit {

  /** Of the squared length 1 of an atom: less is left of one that depends on those taken. */
  private static final double DEPENDENT = 1e-10;

  private final double[] gram;
  private final int atoms;

  /** Rows of their own, so that loops over two of them run on the vector unit. */
  private final double[][] directions;

  private final double[] rest;
  private final boolean[] taken;
  private final int[] support;
  private final double[] along;
  private final double[] weights;

  /**
   * @param gram {@code D D^T [atoms, atoms]} of atoms of length 1
   * @param most atoms of a vector
   */
  OrthogonalPursuit(double[] gram, int atoms, int most) {
    this.gram = gram;
    this.atoms = atoms;
    this.directions = new double[most][atoms];
    this.rest = new double[atoms];
    this.taken = new boolean[atoms];
    this.support = new int[most];
    this.along = new double[most];
    this.weights = new double[most];
  }

  /** Which atoms were taken, in their order. */
  int[] support() {
    return support;
  }

  /** Of each atom that was taken. */
  double[] weights() {
    return weights;
  }

  /** What the vector's squared length falls by. */
  double explained() {
    double sum = 0;
    for (double part : along) {
      sum += part * part;
    }
    return sum;
  }

  /**
   * @param products of the vector with all atoms, at {@code products[offset ..]}
   * @return how many atoms were taken: fewer than asked for where nothing is left
   */
  int code(double[] products, int offset) {
    System.arraycopy(products, offset, rest, 0, atoms);
    java.util.Arrays.fill(taken, false);
    java.util.Arrays.fill(along, 0);
    int count = 0;
    while (count < support.length) {
      int next = greatest();
      if (next < 0) {
        break;
      }
      taken[next] = true;
      if (orthogonalise(next, count)) {
        support[count] = next;
        var direction = directions[count];
        double part = rest[next] / direction[next];
        along[count] = part;
        subtract(part, direction, rest);
        count++;
      }
    }
    solve(count);
    return count;
  }

  private int greatest() {
    int best = -1;
    double most = 0;
    for (int i = 0; i < atoms; i++) {
      double size = Math.abs(rest[i]);
      if (size > most && !taken[i]) {
        most = size;
        best = i;
      }
    }
    return best;
  }

  /** Whether the atom is independent of the {@code count} taken before. */
  private boolean orthogonalise(int atom, int count) {
    var direction = directions[count];
    System.arraycopy(gram, atom * atoms, direction, 0, atoms);
    for (int n = 0; n < count; n++) {
      subtract(directions[n][atom], directions[n], direction);
    }
    double pivot = direction[atom];
    if (!(pivot > DEPENDENT)) {
      return false;
    }
    double root = Math.sqrt(pivot);
    for (int i = 0; i < atoms; i++) {
      direction[i] /= root;
    }
    return true;
  }

  private static void subtract(double factor, double[] from, double[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] -= factor * from[i];
    }
  }

  /** {@code L^T w = z}, from the last to the first. */
  private void solve(int count) {
    for (int n = count - 1; n >= 0; n--) {
      double sum = along[n];
      for (int m = n + 1; m < count; m++) {
        sum -= directions[n][support[m]] * weights[m];
      }
      weights[n] = sum / directions[n][support[n]];
    }
  }
}
