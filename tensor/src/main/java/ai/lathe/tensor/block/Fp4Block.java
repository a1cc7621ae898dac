package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.LatheException;
import java.util.List;

/**
 * 4-bit floats E2M1 in groups, each with a scale of one byte that is itself a small float. Levels
 * are twice the floats' values, and a scale is half of what its byte stands for, so that levels are
 * whole numbers. Stored: the scales, then the codes of each group, {@code j} low and {@code j +
 * groupSize / 2} high.
 *
 * <p>Where nothing is searched, the scale is that which just covers the group; a smaller one that
 * cuts off an outlier, or a larger one whose levels lie better, often loses less. All scales of
 * their {@link Scale#below} and {@link Scale#above} are tried.
 */
final class Fp4Block extends PlanarBlock {

  private static final Levels LEVELS =
      Levels.of(-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12);

  /** Sign and index into 0, 1, 2, 3, 4, 6, 8, 12; of the two zeros the positive one. */
  private static final byte[] SYMBOLS = {15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7};

  /** How a scale stands in a byte. Values increase from code 0 to {@link #largest}. */
  enum Scale {
    /** {@code 2^(code - 127)}; its half reaches down to 2^-128, a subnormal float32. */
    E8M0(254, 2, 1) {
      @Override
      float half(int code) {
        return Math.scalb(1f, code - 128);
      }
    },
    /** Unsigned E4M3, bias 7. The largest pattern is no number and counts as 0. */
    UE4M3(0x7E, 8, 6) {
      @Override
      float half(int code) {
        int exponent = code >>> 3 & 15;
        int mantissa = code & 7;
        if (code == 0x7F) {
          return 0;
        }
        return exponent == 0
            ? Math.scalb((float) mantissa, -10)
            : Math.scalb(8f + mantissa, exponent - 11);
      }
    };

    private final int largest;
    private final int below;
    private final int above;

    /**
     * @param below trials with smaller scales than the one that just covers a group
     * @param above trials with larger ones
     */
    Scale(int largest, int below, int above) {
      this.largest = largest;
      this.below = below;
      this.above = above;
    }

    /** Half of what a byte from 0 to 255 stands for. */
    abstract float half(int code);

    /** The smallest scale that is {@code least} or more; the largest where there is none. */
    int covering(float least) {
      int low = 0;
      int high = largest;
      while (low < high) {
        int middle = (low + high) >>> 1;
        if (half(middle) >= least) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      return low;
    }
  }

  private final int groups;
  private final Scale scale;
  private final ScaleSearch search = new ScaleSearch(LEVELS);

  /**
   * @param groups with a scale each
   */
  Fp4Block(String name, int size, int groups, Scale scale) {
    super(
        name,
        size,
        groups + size / 2,
        size / groups,
        LEVELS,
        SYMBOLS,
        List.of(new Plane(groups, 4, size / groups / 2)));
    this.groups = groups;
    this.scale = scale;
  }

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    int n = groupSize();
    var weights =
        ErrorWeights.of(name(), x, at, size(), n, importance, ErrorWeights.Default.UNIFORM);
    var stored = new int[groups];
    var value = new float[groups];
    for (int g = 0; g < groups; g++) {
      stored[g] = fit(x, at + g * n, weights, g * n);
      value[g] = scale.half(stored[g]);
    }
    return new BlockScales(value, new float[groups], stored);
  }

  private int fit(float[] x, int at, float[] weights, int weightsAt) {
    float largest = 0;
    for (int i = at; i < at + groupSize(); i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    if (largest == 0) {
      return 0;
    }
    if (largest / LEVELS.high() > scale.half(scale.largest)) {
      throw new LatheException(
          "weights are too large for %s: it can store up to %s, not %s"
              .formatted(name(), scale.half(scale.largest) * LEVELS.high(), largest));
    }
    // In units near the largest: scales reach as far as float32 does, squares of weights do not.
    int unit = -Math.getExponent(largest);
    var scaled = new float[groupSize()];
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] = Math.scalb(x[at + i], unit);
    }
    int covering = scale.covering(largest / LEVELS.high());
    int best = covering;
    double least = Double.POSITIVE_INFINITY;
    int last = Math.min(covering + scale.above, scale.largest);
    for (int code = Math.max(covering - scale.below, 0); code <= last; code++) {
      float trial = Math.scalb(scale.half(code), unit);
      double error = search.error(scaled, 0, scaled.length, weights, weightsAt, trial, 0);
      if (error < least) {
        least = error;
        best = code;
      }
    }
    return best;
  }

  @Override
  void writeScales(int[] stored, byte[] block) {
    for (int g = 0; g < groups; g++) {
      block[g] = (byte) stored[g];
    }
  }

  @Override
  void readScales(byte[] block, int[] stored) {
    for (int g = 0; g < groups; g++) {
      stored[g] = block[g] & 0xFF;
    }
  }

  @Override
  int storedCount() {
    return groups;
  }

  @Override
  void scales(int[] stored, float[] scales, float[] offset) {
    for (int g = 0; g < groups; g++) {
      scales[g] = scale.half(stored[g]);
    }
  }
}
