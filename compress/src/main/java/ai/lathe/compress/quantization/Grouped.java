package ai.lathe.compress.quantization;

import ai.lathe.tensor.GroupQuantized;
import java.util.Arrays;

/**
 * The numbers of a {@link GroupQuantized} of consecutive groups, to be changed by methods that
 * choose codes and scales themselves.
 *
 * @param codes {@code [rows, columns]}
 * @param scales {@code [rows, groups]}
 * @param zeros {@code [rows, groups]}; null where the scheme is symmetric
 */
record Grouped(int rows, int columns, byte[] codes, float[] scales, byte[] zeros) {

  /** A copy. */
  static Grouped of(GroupQuantized weight) {
    if (weight.groupIndex() != null) {
      throw new IllegalArgumentException("groups are not consecutive");
    }
    return new Grouped(
        weight.rows(),
        weight.columns(),
        weight.codes().clone(),
        weight.scales().toFloats(),
        weight.zeros() == null ? null : weight.zeros().clone());
  }

  /** A copy of rows {@code [from, to)}. */
  Grouped rows(int from, int to) {
    int groups = scales.length / rows;
    return new Grouped(
        to - from,
        columns,
        Arrays.copyOfRange(codes, from * columns, to * columns),
        Arrays.copyOfRange(scales, from * groups, to * groups),
        zeros == null ? null : Arrays.copyOfRange(zeros, from * groups, to * groups));
  }

  /** Takes over a row of another weight of the same shape of rows. */
  void setRow(int row, Grouped other, int otherRow) {
    int groups = scales.length / rows;
    System.arraycopy(other.codes, otherRow * columns, codes, row * columns, columns);
    System.arraycopy(other.scales, otherRow * groups, scales, row * groups, groups);
    if (zeros != null) {
      System.arraycopy(other.zeros, otherRow * groups, zeros, row * groups, groups);
    }
  }

  GroupQuantized store(IntegerGrid grid) {
    return grid.weight(rows, columns, codes, scales, zeros, null);
  }
}
