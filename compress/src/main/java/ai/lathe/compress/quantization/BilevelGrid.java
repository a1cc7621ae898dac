package ai.lathe.compress.quantization;

import ai.lathe.tensor.BilevelQuantized;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;

/**
 * SpQR's grid: small groups whose scales and zero points, neither of them rounded to an integer,
 * are themselves quantized, those of {@code tall} consecutive rows together.
 *
 * <p>A group's range is {@code [min, max]} of its weights, which need not contain 0. First its
 * scale {@code (max - min) / (2^bits - 1)} is rounded to the second level's grid; its zero point is
 * then the one that puts the middle of the codes on the middle of the range with the scale that a
 * reader will see. (The paper rounds both from the unrounded range.)
 *
 * @see <a href="https://arxiv.org/abs/2306.03078">Dettmers et al., SpQR, 2023</a>
 */
public record BilevelGrid(int bits, int groupSize, int scaleBits, int zeroBits, int tall)
    implements Grid {

  public BilevelGrid {
    encoding(bits, groupSize, scaleBits, zeroBits, tall, false);
  }

  private static Encoding.Bilevel encoding(
      int bits, int groupSize, int scaleBits, int zeroBits, int tall, boolean permuted) {
    return new Encoding.Bilevel(bits, groupSize, scaleBits, zeroBits, tall, permuted);
  }

  @Override
  public Encoding.Bilevel encoding() {
    return encoding(false);
  }

  Encoding.Bilevel encoding(boolean permuted) {
    return encoding(bits, groupSize, scaleBits, zeroBits, tall, permuted);
  }

  @Override
  public Optional<String> refusal(int columns) {
    if (columns % groupSize != 0) {
      return Optional.of("groups of %d do not divide rows of %d".formatted(groupSize, columns));
    }
    return columns <= Encoding.Bilevel.COLUMNS
        ? Optional.empty()
        : Optional.of(
            "rows of %d are longer than the %d inputs that 16 bits can number"
                .formatted(columns, Encoding.Bilevel.COLUMNS));
  }

  @Override
  public int groupSize(int columns) {
    return groupSize;
  }

  @Override
  public boolean anyGroups() {
    return true;
  }

  @Override
  public Quantizer quantizer(int rows, int columns, int[] groupIndex, float[] importance) {
    return new Rounding(rows, columns, groupIndex);
  }

  private final class Rounding implements Quantizer {
    private final int rows;
    private final int columns;
    private final int groups;
    private final int tiles;
    private final int[] groupOf;
    private final boolean permuted;
    private final float highest = (1 << bits) - 1;
    private final byte[] codes;
    private final byte[] scaleCodes;
    private final byte[] zeroCodes;
    private final float[] scales;
    private final float[] zeros;

    /** The middle of each fitted range, until its rows are settled. */
    private final float[] middles;

    /** {@code S_s, Z_s, S_z, Z_z [4, groups, tiles]}. */
    private final float[] second;

    Rounding(int rows, int columns, int[] groupIndex) {
      refusal(columns)
          .ifPresent(
              reason -> {
                throw new LatheException(reason);
              });
      this.rows = rows;
      this.columns = columns;
      this.groups = columns / groupSize;
      this.tiles = Math.ceilDiv(rows, tall);
      this.permuted = groupIndex != null;
      this.groupOf = new int[columns];
      for (int j = 0; j < columns; j++) {
        groupOf[j] = permuted ? groupIndex[j] : j / groupSize;
      }
      this.codes = new byte[Math.multiplyExact(rows, columns)];
      this.scaleCodes = new byte[rows * groups];
      this.zeroCodes = new byte[rows * groups];
      this.scales = new float[rows * groups];
      this.zeros = new float[rows * groups];
      this.middles = new float[rows * groups];
      this.second = new float[4 * groups * tiles];
    }

    @Override
    public int rowsTogether() {
      return tall;
    }

    @Override
    public void fit(int row, int group, float[] values, int at) {
      float min = values[at];
      float max = values[at];
      for (int i = at + 1; i < at + groupSize; i++) {
        min = Math.min(min, values[i]);
        max = Math.max(max, values[i]);
      }
      int index = row * groups + group;
      scales[index] = (max - min) / highest;
      middles[index] = min / 2 + max / 2;
    }

    @Override
    public void settle(int from, int to, int group) {
      int at = group * tiles + from / tall;
      roundAll(scales, scaleCodes, scaleBits, from, to, group, at);
      for (int row = from; row < to; row++) {
        int index = row * groups + group;
        zeros[index] = scales[index] == 0 ? 0 : highest / 2 - middles[index] / scales[index];
      }
      roundAll(zeros, zeroCodes, zeroBits, from, to, group, 2 * groups * tiles + at);
    }

    /**
     * Replaces a group's values in some rows by those of the second level's grid, asymmetric over
     * their range; its scale and zero point are float16 and kept at {@code second[at]} and {@code
     * second[at + groups * tiles]}.
     */
    private void roundAll(
        float[] values, byte[] kept, int bits, int from, int to, int group, int at) {
      float min = Float.POSITIVE_INFINITY;
      float max = Float.NEGATIVE_INFINITY;
      for (int row = from; row < to; row++) {
        min = Math.min(min, values[row * groups + group]);
        max = Math.max(max, values[row * groups + group]);
      }
      float last = (1 << bits) - 1;
      // All alike: one step away from zero, which the code 1 stands for.
      float step = half(max > min ? (max - min) / last : max == 0 ? 1 : max);
      float zero = half(max > min ? -min / step : 0);
      second[at] = step;
      second[at + groups * tiles] = zero;
      for (int row = from; row < to; row++) {
        int index = row * groups + group;
        float code = Math.clamp((float) Math.rint(values[index] / step + zero), 0, last);
        kept[index] = (byte) code;
        values[index] = step * (code - zero);
      }
    }

    @Override
    public float round(int row, int column, float weight) {
      int index = row * groups + groupOf[column];
      float scale = scales[index];
      float zero = zeros[index];
      // A zero scale leaves one value, whatever the code.
      float x = scale == 0 ? 0 : weight / scale + zero;
      // Adding 1.5 * 2^23 leaves no bits for a fraction: the nearest integer, ties to even.
      float magic = 0x1.8p23f;
      float code = Math.min(Math.max(x, 0), highest) + magic - magic;
      codes[row * columns + column] = (byte) code;
      return scale * (code - zero);
    }

    @Override
    public LinearWeight finish() {
      var target = Arena.ofAuto().allocate(DType.F16.bytes(second.length), 8);
      Tensor.putFloats(DType.F16, second, second.length, target, 0);
      var shared = new Tensor(DType.F16, new long[] {4, groups, tiles}, target);
      return new BilevelQuantized(
          encoding(permuted),
          rows,
          columns,
          codes,
          scaleCodes,
          zeroCodes,
          shared,
          permuted ? order() : null);
    }

    /** Inputs by group, those of one group as they are stored. */
    private int[] order() {
      var next = new int[groups];
      for (int g = 0; g < groups; g++) {
        next[g] = g * groupSize;
      }
      var order = new int[columns];
      for (int j = 0; j < columns; j++) {
        order[next[groupOf[j]]++] = j;
      }
      return order;
    }
  }

  /** The nearest finite float16; what is not zero stays so. */
  private static float half(float value) {
    float size = Math.clamp(Math.abs(value), value == 0 ? 0 : 0x1p-24f, 65504f);
    return Math.copySign(Float.float16ToFloat(Float.floatToFloat16(size)), value);
  }
}
