package ai.lathe.tensor;

/**
 * A weight of which only some values are stored, row by row (compressed sparse rows); the others
 * are zero. Beside another weight in a {@link Sum} it holds corrections to it.
 *
 * @param rows output features
 * @param columns input features, at most {@link Encoding.SparseRows#COLUMNS}
 * @param rowOffsets {@code [rows + 1]}, not descending from 0: row {@code i} has the pairs {@code
 *     [rowOffsets[i], rowOffsets[i + 1])}
 * @param columnIds of the pairs, ascending within a row; what comes after the last row's is unused
 * @param values of the pairs
 */
public record SparseRows(
    Encoding.SparseRows encoding,
    int rows,
    int columns,
    int[] rowOffsets,
    char[] columnIds,
    Tensor values)
    implements LinearWeight {

  public SparseRows {
    if (rowOffsets.length != rows + 1
        || columnIds.length != encoding.capacity(rows, columns)
        || values.elements() != columnIds.length
        || values.dtype() != encoding.values()) {
      throw new LatheException(
          "a %d x %d weight of %s does not have these parts"
              .formatted(rows, columns, encoding.label()));
    }
    if (rowOffsets[0] != 0) {
      throw new LatheException("sparse rows begin at pair 0, not " + rowOffsets[0]);
    }
    for (int row = 0; row < rows; row++) {
      int from = rowOffsets[row];
      int to = rowOffsets[row + 1];
      if (to < from || to > columnIds.length) {
        throw new LatheException(
            "sparse row %d has the pairs [%d, %d) of %d"
                .formatted(row, from, to, columnIds.length));
      }
      for (int i = from; i < to; i++) {
        if (columnIds[i] >= columns || (i > from && columnIds[i] <= columnIds[i - 1])) {
          throw new LatheException(
              "sparse row %d names column %d of %d out of place"
                  .formatted(row, (int) columnIds[i], columns));
        }
      }
    }
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    java.util.Arrays.fill(target, offset, offset + (to - from) * columns, 0);
    var value = new float[rowOffsets[to] - rowOffsets[from]];
    values.copyFloats(rowOffsets[from], value, 0, value.length);
    for (int row = from; row < to; row++) {
      for (int i = rowOffsets[row]; i < rowOffsets[row + 1]; i++) {
        target[offset + (row - from) * columns + columnIds[i]] = value[i - rowOffsets[from]];
      }
    }
  }
}
