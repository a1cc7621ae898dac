package ai.lathe.compress.pruning;

/**
 * The two of four weights, and their values, with the least of {@code norm v^T N v - 2 v^T r}.
 *
 * @param inner {@code N [4, 4]}, symmetric
 * @param against {@code r [4]}
 * @param norm positive
 */
record TwoOfFour(double[][] inner, double[] against, double norm) {

  /** Keeps dependent rows solvable, as in the authors' code. */
  private static final double RIDGE = 1e-9;

  /**
   * @param old what is returned where nothing is better
   */
  double[] best(double[] old) {
    var best = old;
    double least = cost(old);
    for (int k = 0; k < 4; k++) {
      for (int l = k + 1; l < 4; l++) {
        var values = pair(k, l);
        double cost = cost(values);
        if (cost < least) {
          least = cost;
          best = values;
        }
      }
    }
    return best;
  }

  /** The best values where only {@code k} and {@code l} are not zero. */
  private double[] pair(int k, int l) {
    double kk = inner[k][k] + RIDGE;
    double ll = inner[l][l] + RIDGE;
    double kl = inner[k][l];
    double determinant = (kk * ll - kl * kl) * norm;
    var values = new double[4];
    values[k] = (ll * against[k] - kl * against[l]) / determinant;
    values[l] = (kk * against[l] - kl * against[k]) / determinant;
    return values;
  }

  private double cost(double[] values) {
    double cost = 0;
    for (int k = 0; k < 4; k++) {
      cost -= 2 * values[k] * against[k];
      for (int l = 0; l < 4; l++) {
        cost += norm * values[k] * inner[k][l] * values[l];
      }
    }
    return cost;
  }
}
