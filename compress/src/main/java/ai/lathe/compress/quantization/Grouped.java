package ai.lathe.compress.quantization;

import ai.lathe.tensor.GroupQuantized;

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

  GroupQuantized store(IntegerGrid grid) {
    return grid.weight(rows, columns, codes, scales, zeros, null);
  }
}
