package ai.lathe.compress.factorization.module;

import ai.lathe.tensor.LatheException;

/**
 * How much each block loses: more where it changes the stream less. A block's influence is one less
 * the mean cosine of what goes in and what comes out.
 *
 * @see <a href="https://arxiv.org/abs/2408.09632">Lin et al., MoDeGPT, 2024, section 3.4</a>
 */
final class Allocation {

  /** No block loses more than this share of what can be narrowed. */
  static final double CAP = 0.8;

  private Allocation() {}

  /**
   * {@code softmax(-influence / temperature)}, in the scale that removes as much as is asked for;
   * what is above a cap goes to the others in proportion, until none is.
   *
   * @param influence of each block
   * @param weights of each block's linear layers
   * @param narrowable those of them that can be narrowed
   * @param removed share of all weights, from 0
   * @return share of each block's weights that goes
   */
  static double[] shares(
      double[] influence, long[] weights, long[] narrowable, double removed, double temperature) {
    int blocks = influence.length;
    var most = new double[blocks];
    double room = 0;
    double total = 0;
    for (int b = 0; b < blocks; b++) {
      most[b] = CAP * narrowable[b] / weights[b];
      room += CAP * narrowable[b];
      total += weights[b];
    }
    if (removed * total > room) {
      throw new LatheException(
          "no block is narrowed by more than %.0f %%, so that at most %.3f of the weights can be removed, not %s"
              .formatted(100 * CAP, room / total, removed));
    }
    var shares = new double[blocks];
    var capped = new boolean[blocks];
    double left = removed * total;
    for (boolean changed = true; changed; ) {
      changed = false;
      var preference = preference(influence, capped, temperature);
      double sum = 0;
      for (int b = 0; b < blocks; b++) {
        sum += preference[b] * weights[b];
      }
      double scale = sum == 0 ? 0 : left / sum;
      for (int b = 0; b < blocks; b++) {
        if (capped[b]) {
          continue;
        }
        shares[b] = scale * preference[b];
        if (shares[b] > most[b]) {
          shares[b] = most[b];
          capped[b] = true;
          changed = true;
        }
      }
      left = removed * total;
      for (int b = 0; b < blocks; b++) {
        left -= capped[b] ? shares[b] * weights[b] : 0;
      }
    }
    return shares;
  }

  /** Of those that have no cap yet, the greatest is 1: none is lost to underflow. */
  private static double[] preference(double[] influence, boolean[] capped, double temperature) {
    double least = Double.POSITIVE_INFINITY;
    for (int b = 0; b < influence.length; b++) {
      least = capped[b] ? least : Math.min(least, influence[b]);
    }
    var preference = new double[influence.length];
    for (int b = 0; b < influence.length; b++) {
      preference[b] = capped[b] ? 0 : Math.exp((least - influence[b]) / temperature);
    }
    return preference;
  }
}
