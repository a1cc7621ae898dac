package ai.lathe.compress.quantization;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * Integer codes with a scale, and where the scheme is not symmetric a zero point, for each group:
 * {@code value = scale * (code - zero)}. Ranges are those of compressed-tensors: symmetric {@code
 * scale = max|w| / ((qmax - qmin) / 2)}, asymmetric {@code scale = (max - min) / (qmax - qmin)}
 * over a range that contains 0.
 *
 * @param scaleType in which scales are stored: {@code F16}, {@code BF16} or {@code F32}
 */
public record IntegerGrid(IntegerScheme scheme, ScaleSearch search, DType scaleType)
    implements Grid {

  /**
   * Ranges that {@link ScaleSearch#MSE} tries, as shares of the full one: 1, 0.97 .. 0.4, for the
   * least squared error. On layers of the MiniLM encoder, in groups of 128, going on below 0.8
   * lowered the output error by 25 % at 2 bits and 4 to 10 % at 3. Powers of the error from 2 to 3
   * were within 5 % of each other, 2 ahead at 2 and 3 bits and behind at 4. Asymmetric ranges are
   * drawn in at both ends alike first, then at each by itself.
   */
  private static final int STEPS = 20;

  private static final float STEP = 0.03f;

  /** Tried around the best of these. */
  private static final float[] FINE_STEPS = {-0.02f, -0.01f, 0.01f, 0.02f};

  public IntegerGrid {
    if (scaleType != DType.F16 && scaleType != DType.BF16 && scaleType != DType.F32) {
      throw new LatheException("scales are stored as F16, BF16 or F32, not " + scaleType);
    }
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Grouped(scheme, scaleType);
  }

  @Override
  public Optional<String> refusal(int columns) {
    return columns % groupSize(columns) == 0
        ? Optional.empty()
        : Optional.of(
            "groups of %d do not divide rows of %d".formatted(scheme.groupSize(), columns));
  }

  /**
   * This grid where it can hold rows of this many inputs; else the named fallback: groups of half
   * the size, halved again until they divide the row but not below 16, else one scale a row.
   */
  public IntegerGrid forColumns(int columns) {
    int size = groupSize(columns);
    while (size >= 16 && columns % size != 0) {
      size = size % 2 == 0 ? size / 2 : 0;
    }
    int fitting = size >= 16 || columns % groupSize(columns) == 0 ? size : IntegerScheme.CHANNEL;
    return fitting == groupSize(columns)
        ? this
        : new IntegerGrid(
            new IntegerScheme(scheme.bits(), fitting, scheme.symmetric(), scheme.activations()),
            search,
            scaleType);
  }

  @Override
  public int groupSize(int columns) {
    return scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
  }

  @Override
  public boolean anyGroups() {
    return true;
  }

  @Override
  public Quantizer quantizer(int rows, int columns, int[] groupIndex, float[] importance) {
    return new Rounding(rows, columns, groupIndex);
  }

  /** The nearest scale of the same sign that can be stored, never zero nor infinite. */
  public float stored(float scale) {
    float size = Math.abs(scale);
    float nearest =
        switch (scaleType) {
          case F16 ->
              Float.float16ToFloat(Float.floatToFloat16(Math.clamp(size, 0x1p-24f, 65504f)));
          case BF16 ->
              Float.intBitsToFloat(
                  Tensor.floatToBFloat16(Math.clamp(size, Float.MIN_NORMAL, 0x1.FEp127f)) << 16);
          default -> Math.clamp(size, Float.MIN_NORMAL, Float.MAX_VALUE);
        };
    return Math.copySign(nearest, scale);
  }

  /**
   * A weight of codes and parameters that were chosen elsewhere.
   *
   * @param scales {@code [rows, groups]}, each one that can be stored
   * @param zeros {@code [rows, groups]}; null where the scheme is symmetric
   * @param groupIndex the group of each input; null where groups are consecutive
   */
  public GroupQuantized weight(
      int rows, int columns, byte[] codes, float[] scales, byte[] zeros, int[] groupIndex) {
    var target = Arena.ofAuto().allocate(scaleType.bytes(scales.length), 8);
    Tensor.putFloats(scaleType, scales, scales.length, target, 0);
    var shape = new long[] {rows, scheme.groups(columns)};
    var tensor = new Tensor(scaleType, shape, target);
    return new GroupQuantized(scheme, rows, columns, codes, tensor, zeros, groupIndex);
  }

  private final class Rounding implements Quantizer {
    private final int rows;
    private final int columns;
    private final int size;
    private final int groups;
    private final int[] groupIndex;
    private final int[] groupOf;
    private final byte[] codes;
    private final float[] scales;
    private final byte[] zeros;

    Rounding(int rows, int columns, int[] groupIndex) {
      refusal(columns)
          .ifPresent(
              reason -> {
                throw new LatheException(reason);
              });
      this.rows = rows;
      this.columns = columns;
      this.size = groupSize(columns);
      this.groups = scheme.groups(columns);
      this.groupIndex = groupIndex;
      this.groupOf = groupIndex != null ? groupIndex : consecutive(columns, size);
      this.codes = new byte[Math.multiplyExact(rows, columns)];
      this.scales = new float[rows * groups];
      this.zeros = scheme.symmetric() ? null : new byte[rows * groups];
    }

    private static int[] consecutive(int columns, int size) {
      var index = new int[columns];
      for (int j = 0; j < columns; j++) {
        index[j] = j / size;
      }
      return index;
    }

    @Override
    public void fit(int row, int group, float[] values, int at) {
      float min = 0;
      float max = 0;
      for (int i = at; i < at + size; i++) {
        min = Math.min(min, values[i]);
        max = Math.max(max, values[i]);
      }
      int index = row * groups + group;
      if (min == max) {
        // All zero: any scale will do, and 1 is safe for weights that error feedback brings later.
        set(index, 1, 0);
        return;
      }
      choose(index, min, max, 1);
      if (search != ScaleSearch.MIN_MAX) {
        search(index, min, max, values, at);
      }
    }

    /**
     * Leaves the best parameters tried: both ends drawn in together, in coarse steps and then in
     * fine ones; then, where the ends are free of each other, each by itself; or the grid turned
     * round.
     */
    private void search(int index, float min, float max, float[] values, int at) {
      var best = new Best(index, values, at);
      drawIn(best, min, max, 1);
      if (!scheme.symmetric()) {
        for (int step = 0; step <= STEPS; step++) {
          best.consider((1 - step * STEP) * min, best.high, 1);
        }
        for (int step = 0; step <= STEPS; step++) {
          best.consider(best.low, (1 - step * STEP) * max, 1);
        }
      } else if (search == ScaleSearch.SIGNED_MSE) {
        drawIn(best, min, max, -1);
      }
      choose(index, best.low, best.high, best.sign);
    }

    private void drawIn(Best best, float min, float max, int sign) {
      int drawn = 0;
      for (int step = 0; step <= STEPS; step++) {
        float share = 1 - step * STEP;
        drawn = best.consider(share * min, share * max, sign) ? step : drawn;
      }
      for (float fine : FINE_STEPS) {
        float share = Math.min(1 - drawn * STEP + fine, 1);
        best.consider(share * min, share * max, sign);
      }
    }

    /** The range of a group with the least squared error so far. */
    private final class Best {
      private final int index;
      private final float[] values;
      private final int at;
      private double least = Double.POSITIVE_INFINITY;
      private float low;
      private float high;
      private int sign;

      Best(int index, float[] values, int at) {
        this.index = index;
        this.values = values;
        this.at = at;
      }

      /** Tries a range; whether it is better than all before. */
      boolean consider(float low, float high, int sign) {
        choose(index, low, high, sign);
        double error = error(index, values, at);
        if (error >= least) {
          return false;
        }
        least = error;
        this.low = low;
        this.high = high;
        this.sign = sign;
        return true;
      }
    }

    /**
     * The parameters that cover a range.
     *
     * @param sign of a symmetric scale
     */
    private void choose(int index, float low, float high, int sign) {
      float steps = scheme.max() - scheme.min();
      if (scheme.symmetric()) {
        set(index, sign * Math.max(-low, high) / (steps / 2), 0);
      } else {
        float scale = stored((high - low) / steps);
        float zero = (float) Math.rint(scheme.min() - low / scale);
        set(index, scale, (int) Math.clamp(zero, scheme.min(), scheme.max()));
      }
    }

    private void set(int index, float scale, int zero) {
      scales[index] = stored(scale);
      if (zeros != null) {
        zeros[index] = (byte) zero;
      }
    }

    private double error(int index, float[] values, int at) {
      float scale = scales[index];
      int zero = zeros == null ? 0 : zeros[index];
      float low = scheme.min() - zero;
      float high = scheme.max() - zero;
      double sum = 0;
      for (int i = at; i < at + size; i++) {
        float difference = scale * nearest(values[i] / scale, low, high) - values[i];
        sum += difference * difference;
      }
      return sum;
    }

    @Override
    public float round(int row, int column, float weight) {
      int index = row * groups + groupOf[column];
      float scale = scales[index];
      int zero = zeros == null ? 0 : zeros[index];
      float steps = nearest(weight / scale, scheme.min() - zero, scheme.max() - zero);
      codes[row * columns + column] = (byte) (steps + zero);
      return scale * steps;
    }

    /** The nearest integer within bounds, ties to even. */
    private static float nearest(float x, float low, float high) {
      // Adding 1.5 * 2^23 leaves no bits for a fraction; unlike Math.rint it needs no float64.
      float magic = 0x1.8p23f;
      return Math.min(Math.max(x, low), high) + magic - magic;
    }

    @Override
    public LinearWeight finish() {
      return weight(rows, columns, codes, scales, zeros, groupIndex);
    }
  }
}
