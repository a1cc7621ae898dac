package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;

/**
 * The scales of a block whose groups have scale {@code d * s[g]}, {@code s} small signed integers,
 * for values {@code d * s[g] * (code - zero)}. Searched as in {@link AffineSuperBlock}.
 */
final class SymmetricSuperBlock {

  /** Fits of {@code d} to the codes; a third changes nothing any more. */
  private static final int REFITS = 2;

  private final String type;
  private final int groups;
  private final int groupSize;
  private final int least;
  private final int largest;
  private final int zero;
  private final ScaleSearch search;

  /**
   * @param least of the integers {@code s}; the one with the larger magnitude
   * @param largest of the integers {@code s}
   * @param zero the code of value 0
   */
  SymmetricSuperBlock(
      String type,
      int groups,
      int groupSize,
      int least,
      int largest,
      int zero,
      ScaleSearch search) {
    this.type = type;
    this.groups = groups;
    this.groupSize = groupSize;
    this.least = least;
    this.largest = largest;
    this.zero = zero;
    this.search = search;
  }

  /** {@code stored} is the bits of d, then all s. */
  BlockScales fit(float[] x, int at, float[] importance) {
    var weights =
        ErrorWeights.of(
            type, x, at, groups * groupSize, groupSize, importance, ErrorWeights.Default.MAGNITUDE);
    var ideal = new float[groups];
    float extreme = 0;
    for (int g = 0; g < groups; g++) {
      int from = g * groupSize;
      ideal[g] = search.symmetric(x, at + from, groupSize, weights, from);
      extreme = Math.abs(ideal[g]) > Math.abs(extreme) ? ideal[g] : extreme;
    }
    var best = new Trial((double) extreme / least);
    best.assign(ideal, x, at, weights);
    for (int i = 0; i < REFITS; i++) {
      var refit = best.refit(x, at, weights);
      if (refit == null) {
        break;
      }
      refit.assign(ideal, x, at, weights);
      if (!(refit.error < best.error)) {
        break;
      }
      best = refit;
    }
    return best.scales();
  }

  /** One choice of d, with the integers that suit it best. */
  private final class Trial {
    private final int dBits;
    private final float d;
    private final int[] s = new int[groups];
    private double error;

    Trial(double d) {
      dBits = Half.factorBits(d, type);
      this.d = Half.value(dBits);
    }

    void assign(float[] ideal, float[] x, int at, float[] w) {
      for (int g = 0; g < groups; g++) {
        int from = g * groupSize;
        int nearest = d == 0 ? 0 : Math.round(ideal[g] / d);
        double least = Double.POSITIVE_INFINITY;
        for (int c = 0; c < 3; c++) {
          int trialS = candidate(nearest, c);
          double trial = search.error(x, at + from, groupSize, w, from, d * trialS, 0);
          if (trial < least) {
            least = trial;
            s[g] = trialS;
          }
        }
        error += least;
      }
    }

    private int candidate(int nearest, int step) {
      return Math.clamp(nearest + step - 1L, least, largest);
    }

    /** The least-squares d for these integers and their codes; null where there is none. */
    Trial refit(float[] x, int at, float[] w) {
      double aa = 0;
      double ax = 0;
      for (int g = 0; g < groups; g++) {
        float inverse = s[g] == 0 ? 0 : 1 / (d * s[g]);
        for (int i = g * groupSize; i < (g + 1) * groupSize; i++) {
          double a = s[g] * (double) search.code(x[at + i] * inverse);
          aa += w[i] * a * a;
          ax += w[i] * a * x[at + i];
        }
      }
      return aa > 0 && ax != 0 ? new Trial(ax / aa) : null;
    }

    BlockScales scales() {
      var scale = new float[groups];
      var offset = new float[groups];
      var stored = new int[1 + groups];
      stored[0] = dBits;
      for (int g = 0; g < groups; g++) {
        scale[g] = d * s[g];
        offset[g] = -zero * scale[g];
        stored[1 + g] = s[g];
      }
      return new BlockScales(scale, offset, stored);
    }
  }
}
