package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;

/**
 * The scales of a block whose groups have scale {@code d * s[g]} and offset {@code -dmin * m[g]},
 * {@code s} and {@code m} small unsigned integers.
 *
 * <p>Each group is searched by itself; {@code d} and {@code dmin} follow from the largest; then,
 * with those as stored, every group takes the best pair of integers around its own optimum, and
 * {@code d} and {@code dmin} are fitted again to the codes that result.
 */
final class AffineSuperBlock {

  /** Fits of {@code d} and {@code dmin} to the codes; a third changes nothing any more. */
  private static final int REFITS = 2;

  private final String type;
  private final int groups;
  private final int groupSize;
  private final int largest;
  private final ScaleSearch search;

  /**
   * @param largest of the integers {@code s} and {@code m}
   */
  AffineSuperBlock(String type, int groups, int groupSize, int largest, ScaleSearch search) {
    this.type = type;
    this.groups = groups;
    this.groupSize = groupSize;
    this.largest = largest;
    this.search = search;
  }

  /** {@code stored} is the bits of d, those of dmin, all s, all m. */
  BlockScales fit(float[] x, int at, float[] importance) {
    var weights =
        ErrorWeights.of(
            type, x, at, groups * groupSize, groupSize, importance, ErrorWeights.Default.MAGNITUDE);
    var ideal = new ScaleSearch.Grid[groups];
    double maxScale = 0;
    double maxShift = 0;
    for (int g = 0; g < groups; g++) {
      int from = g * groupSize;
      ideal[g] = search.affine(x, at + from, groupSize, weights, from, true);
      maxScale = Math.max(maxScale, ideal[g].scale());
      maxShift = Math.max(maxShift, -ideal[g].offset());
    }
    var best = new Trial(maxScale / largest, maxShift / largest);
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

  /** One choice of d and dmin, with the integers that suit it best. */
  private final class Trial {
    private final int dBits;
    private final int dminBits;
    private final float d;
    private final float dmin;
    private final int[] s = new int[groups];
    private final int[] m = new int[groups];
    private double error;

    Trial(double d, double dmin) {
      dBits = Half.factorBits(d, type);
      dminBits = Half.factorBits(dmin, type);
      this.d = Half.value(dBits);
      this.dmin = Half.value(dminBits);
    }

    void assign(ScaleSearch.Grid[] ideal, float[] x, int at, float[] w) {
      for (int g = 0; g < groups; g++) {
        int from = g * groupSize;
        int nearestS = d == 0 ? 0 : Math.round(ideal[g].scale() / d);
        int nearestM = dmin == 0 ? 0 : Math.round(-ideal[g].offset() / dmin);
        double least = Double.POSITIVE_INFINITY;
        for (int c = 0; c < 9; c++) {
          int trialS = candidate(nearestS, c / 3);
          int trialM = candidate(nearestM, c % 3);
          double trial =
              search.error(x, at + from, groupSize, w, from, d * trialS, -(dmin * trialM));
          if (trial < least) {
            least = trial;
            s[g] = trialS;
            m[g] = trialM;
          }
        }
        error += least;
      }
    }

    private int candidate(int nearest, int step) {
      return Math.clamp(nearest + step - 1L, 0, largest);
    }

    /**
     * The least-squares d and dmin for these integers and their codes; null where there is none.
     */
    Trial refit(float[] x, int at, float[] w) {
      double aa = 0;
      double ab = 0;
      double bb = 0;
      double ax = 0;
      double bx = 0;
      for (int g = 0; g < groups; g++) {
        float inverse = s[g] == 0 ? 0 : 1 / (d * s[g]);
        float offset = -(dmin * m[g]);
        for (int i = g * groupSize; i < (g + 1) * groupSize; i++) {
          double a = s[g] * (double) search.code((x[at + i] - offset) * inverse);
          double b = -m[g];
          aa += w[i] * a * a;
          ab += w[i] * a * b;
          bb += w[i] * b * b;
          ax += w[i] * a * x[at + i];
          bx += w[i] * b * x[at + i];
        }
      }
      double determinant = aa * bb - ab * ab;
      double newD = determinant > 0 ? (ax * bb - bx * ab) / determinant : aa > 0 ? ax / aa : 0;
      double newDmin = determinant > 0 ? (aa * bx - ab * ax) / determinant : dmin;
      return newD > 0 && newDmin >= 0 ? new Trial(newD, newDmin) : null;
    }

    BlockScales scales() {
      var scale = new float[groups];
      var offset = new float[groups];
      var stored = new int[2 + 2 * groups];
      stored[0] = dBits;
      stored[1] = dminBits;
      for (int g = 0; g < groups; g++) {
        scale[g] = d * s[g];
        offset[g] = -(dmin * m[g]);
        stored[2 + g] = s[g];
        stored[2 + groups + g] = m[g];
      }
      return new BlockScales(scale, offset, stored);
    }
  }
}
