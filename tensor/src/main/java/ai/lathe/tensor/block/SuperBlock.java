package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import java.util.List;

/**
 * 256 weights {@code d * s[g] * level - dmin * m[g]} in groups {@code g}, {@code s} and {@code m}
 * small integers. Stored: {@code d} and, where groups have minima, {@code dmin} behind it
 * (float16), the integers, the codes.
 *
 * <p>Each group is searched by itself; {@code d} and {@code dmin} follow from the largest; then,
 * with those as stored, every group takes the best pair of integers around its own optimum, and
 * {@code d} and {@code dmin} are fitted again to the codes that result. Groups without minima are
 * the case {@code dmin = 0}; their {@code s} have a sign.
 */
final class SuperBlock extends PlanarBlock {

  private static final int SIZE = 256;

  /** Fits of {@code d} and {@code dmin} to the codes; a third changes nothing any more. */
  private static final int REFITS = 2;

  private final int dAt;
  private final int scalesAt;
  private final GroupScales scales;
  private final int groups;
  private final int groupSize;
  private final ScaleSearch search;

  SuperBlock(
      String name,
      int bytes,
      Levels levels,
      int dAt,
      GroupScales scales,
      int scalesAt,
      Plane... planes) {
    super(name, SIZE, bytes, SIZE / scales.groups, levels, plain(levels), List.of(planes));
    this.dAt = dAt;
    this.scalesAt = scalesAt;
    this.scales = scales;
    this.groups = scales.groups;
    this.groupSize = SIZE / groups;
    this.search = new ScaleSearch(levels);
  }

  @Override
  public boolean holdsZero() {
    return !scales.minima() && super.holdsZero();
  }

  @Override
  void writeScales(int[] stored, byte[] block) {
    Half.write(block, dAt, stored[0]);
    if (scales.minima()) {
      Half.write(block, dAt + 2, stored[1]);
    }
    var s = new int[groups];
    var m = new int[groups];
    System.arraycopy(stored, 2, s, 0, groups);
    System.arraycopy(stored, 2 + groups, m, 0, groups);
    scales.pack(s, m, block, scalesAt);
  }

  @Override
  void readScales(byte[] block, int[] stored) {
    stored[0] = Half.read(block, dAt);
    stored[1] = scales.minima() ? Half.read(block, dAt + 2) : 0;
    var s = new int[groups];
    var m = new int[groups];
    scales.unpack(block, scalesAt, s, m);
    System.arraycopy(s, 0, stored, 2, groups);
    System.arraycopy(m, 0, stored, 2 + groups, groups);
  }

  @Override
  int storedCount() {
    return 2 + 2 * groups;
  }

  @Override
  void scales(int[] stored, float[] scale, float[] offset) {
    float d = Half.value(stored[0]);
    float dmin = Half.value(stored[1]);
    for (int g = 0; g < groups; g++) {
      scale[g] = d * stored[2 + g];
      offset[g] = -(dmin * stored[2 + groups + g]);
    }
  }

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights =
        ErrorWeights.of(name(), x, at, SIZE, groupSize, importance, ErrorWeights.Default.MAGNITUDE);
    var ideal = new ScaleSearch.Grid[groups];
    double widest = 0;
    double deepest = 0;
    for (int g = 0; g < groups; g++) {
      int from = g * groupSize;
      ideal[g] =
          scales.minima()
              ? search.affine(x, at + from, groupSize, weights, from, true)
              : new ScaleSearch.Grid(search.symmetric(x, at + from, groupSize, weights, from), 0);
      widest = Math.abs(ideal[g].scale()) > Math.abs(widest) ? ideal[g].scale() : widest;
      deepest = Math.max(deepest, -ideal[g].offset());
    }
    var best =
        new Trial(widest / scales.reach(), scales.minima() ? deepest / scales.largestMinimum : 0);
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
      dBits = Half.factorBits(d, name());
      dminBits = Half.factorBits(dmin, name());
      this.d = Half.value(dBits);
      this.dmin = Half.value(dminBits);
    }

    void assign(ScaleSearch.Grid[] ideal, float[] x, int at, float[] w) {
      for (int g = 0; g < groups; g++) {
        int from = g * groupSize;
        int nearestS = d == 0 ? 0 : Math.round(ideal[g].scale() / d);
        int nearestM = dmin == 0 ? 0 : Math.round(-ideal[g].offset() / dmin);
        double least = Double.POSITIVE_INFINITY;
        for (int trialS = nearestS - 1; trialS <= nearestS + 1; trialS++) {
          for (int trialM = nearestM - 1; trialM <= nearestM + 1; trialM++) {
            if (!scales.holds(trialS, trialM)) {
              continue;
            }
            double trial =
                search.error(x, at + from, groupSize, w, from, d * trialS, -(dmin * trialM));
            if (trial < least) {
              least = trial;
              s[g] = trialS;
              m[g] = trialM;
            }
          }
        }
        error += least;
      }
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
          double a = s[g] * (double) search.round((x[at + i] - offset) * inverse);
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
      boolean valid = scales.minima() ? newD > 0 && newDmin >= 0 : newD != 0;
      return valid ? new Trial(newD, newDmin) : null;
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
