package ai.lathe.tensor;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/**
 * Integer codes with a scale for each group of inputs; a group is consecutive inputs unless {@code
 * groupIndex} says otherwise.
 *
 * @param rows output features
 * @param columns input features
 * @param codes {@code [rows * columns]} row-major, one a byte, within the scheme's range
 * @param scales {@code [rows, groups]}, any floating type; what is stored is what is used
 * @param zeros {@code [rows * groups]} within the scheme's range; null where the scheme is
 *     symmetric
 * @param groupIndex the group of each input, {@code [columns]}; null where groups are consecutive
 * @param inputScale where the scheme's activations are calibrated; else NaN
 */
public record GroupQuantized(
    IntegerScheme scheme,
    int rows,
    int columns,
    byte[] codes,
    Tensor scales,
    byte[] zeros,
    int[] groupIndex,
    float inputScale)
    implements LinearWeight {

  public GroupQuantized {
    int groups = scheme.groups(columns);
    if (codes.length != (long) rows * columns) {
      throw new LatheException(
          "a " + rows + " x " + columns + " weight has " + codes.length + " codes");
    }
    if (scales.elements() != (long) rows * groups) {
      throw new LatheException(
          "a weight of " + rows + " rows and " + groups + " groups has scales " + scales);
    }
    if (scheme.symmetric() ? zeros != null : zeros == null || zeros.length != rows * groups) {
      throw new LatheException("zero points do not fit the scheme " + scheme.label());
    }
  }

  /** Nothing known of the input. */
  public GroupQuantized(
      IntegerScheme scheme,
      int rows,
      int columns,
      byte[] codes,
      Tensor scales,
      byte[] zeros,
      int[] groupIndex) {
    this(scheme, rows, columns, codes, scales, zeros, groupIndex, Float.NaN);
  }

  /** Consecutive groups. */
  public GroupQuantized(
      IntegerScheme scheme, int rows, int columns, byte[] codes, Tensor scales, byte[] zeros) {
    this(scheme, rows, columns, codes, scales, zeros, null);
  }

  /** The rows of several weights like {@code first}. */
  static GroupQuantized stack(List<LinearWeight> parts, GroupQuantized first, int rows) {
    int groups = first.scheme.groups(first.columns);
    var codes = new byte[Math.multiplyExact(rows, first.columns)];
    var scales = new float[rows * groups];
    var zeros = first.zeros == null ? null : new byte[rows * groups];
    int row = 0;
    for (var weight : parts) {
      var part = (GroupQuantized) weight;
      System.arraycopy(part.codes, 0, codes, row * first.columns, part.codes.length);
      part.scales.copyFloats(0, scales, row * groups, part.rows * groups);
      if (zeros != null) {
        System.arraycopy(part.zeros, 0, zeros, row * groups, part.zeros.length);
      }
      row += part.rows;
    }
    // The scales were of this type before, so nothing is rounded on the way back.
    var stored = Tensor.ofFloats(scales, rows, groups).to(first.scales.dtype(), Arena.ofAuto());
    return new GroupQuantized(
        first.scheme,
        rows,
        first.columns,
        codes,
        stored,
        zeros,
        first.groupIndex,
        first.inputScale);
  }

  /** Rows {@code [from, to)}, which the other rows do not share their numbers with. */
  public GroupQuantized slice(int from, int to) {
    int groups = scheme.groups(columns);
    return new GroupQuantized(
        scheme,
        to - from,
        columns,
        Arrays.copyOfRange(codes, from * columns, to * columns),
        scales.reshape(rows, groups).rows(from, to),
        zeros == null ? null : Arrays.copyOfRange(zeros, from * groups, to * groups),
        groupIndex,
        inputScale);
  }

  @Override
  public GroupQuantized withInputScale(float scale) {
    return new GroupQuantized(scheme, rows, columns, codes, scales, zeros, groupIndex, scale);
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Grouped(scheme, scales.dtype(), groupIndex != null);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    decodeRows(from, to, target, offset, new float[scheme.groups(columns)]);
  }

  @Override
  public RowDecoder rowDecoder() {
    var scale = new float[scheme.groups(columns)];
    return (from, to, target, offset) -> decodeRows(from, to, target, offset, scale);
  }

  /**
   * @param scale memory for the scales of a row
   */
  private void decodeRows(int from, int to, float[] target, int offset, float[] scale) {
    int groups = scale.length;
    int size = scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
    for (int row = from; row < to; row++) {
      scales.copyFloats((long) row * groups, scale, 0, groups);
      int at = row * columns;
      int out = offset + (row - from) * columns;
      for (int j = 0; j < columns; j++) {
        int group = groupIndex == null ? j / size : groupIndex[j];
        int zero = zeros == null ? 0 : zeros[row * groups + group];
        target[out + j] = scale[group] * (codes[at + j] - zero);
      }
    }
  }
}
