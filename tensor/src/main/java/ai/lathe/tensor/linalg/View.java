package ai.lathe.tensor.linalg;

import ai.lathe.tensor.Matrix;

/**
 * A rectangular part of a matrix, or the transpose of one, without copying: element {@code (i, j)}
 * is {@code values[offset + i * rowStride + j * columnStride]}.
 */
public record View(
    float[] values, int offset, int rowStride, int columnStride, int rows, int columns) {

  public View {
    boolean empty = rows == 0 || columns == 0;
    long last =
        offset + Math.max(0, rows - 1L) * rowStride + Math.max(0, columns - 1L) * columnStride;
    if (offset < 0
        || rows < 0
        || columns < 0
        || rowStride < 0
        || columnStride < 0
        || (!empty && last >= values.length)) {
      throw new IllegalArgumentException(
          "a " + rows + " x " + columns + " view at " + offset + " leaves its " + values.length);
    }
  }

  public static View of(Matrix matrix) {
    return new View(matrix.values(), 0, matrix.columns(), 1, matrix.rows(), matrix.columns());
  }

  /** Rows {@code [row, rowEnd)} and columns {@code [column, columnEnd)} of a matrix. */
  public static View of(Matrix matrix, int row, int rowEnd, int column, int columnEnd) {
    return of(matrix).part(row, rowEnd, column, columnEnd);
  }

  /** Rows {@code [row, rowEnd)} and columns {@code [column, columnEnd)} of this view. */
  public View part(int row, int rowEnd, int column, int columnEnd) {
    if (row < 0
        || rowEnd < row
        || rowEnd > rows
        || column < 0
        || columnEnd < column
        || columnEnd > columns) {
      throw new IllegalArgumentException(
          "["
              + row
              + ", "
              + rowEnd
              + ") x ["
              + column
              + ", "
              + columnEnd
              + ") is no part of a "
              + rows
              + " x "
              + columns
              + " view");
    }
    // An empty part may begin one past the end; it has no elements, so any offset will do.
    int at =
        row == rowEnd || column == columnEnd ? 0 : offset + row * rowStride + column * columnStride;
    return new View(values, at, rowStride, columnStride, rowEnd - row, columnEnd - column);
  }

  public View transposed() {
    return new View(values, offset, columnStride, rowStride, columns, rows);
  }
}
