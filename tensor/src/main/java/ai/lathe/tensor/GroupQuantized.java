package ai.lathe.tensor;

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
 */
public record GroupQuantized(
    IntegerScheme scheme,
    int rows,
    int columns,
    byte[] codes,
    Tensor scales,
    byte[] zeros,
    int[] groupIndex)
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

  /** Consecutive groups. */
  public GroupQuantized(
      IntegerScheme scheme, int rows, int columns, byte[] codes, Tensor scales, byte[] zeros) {
    this(scheme, rows, columns, codes, scales, zeros, null);
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Grouped(scheme, scales.dtype(), groupIndex != null);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int groups = scheme.groups(columns);
    int size = scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
    var scale = new float[groups];
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
