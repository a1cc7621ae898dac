package ai.lathe.tensor;

/**
 * A dense float32 matrix, row-major on the heap: the type that solvers compute with. A view of
 * nothing; {@code values} is its storage and is mutable.
 *
 * @param values {@code [rows * columns]}
 */
public record Matrix(int rows, int columns, float[] values) {

  public Matrix {
    if ((long) rows * columns != values.length) {
      throw new IllegalArgumentException(
          "a " + rows + " x " + columns + " matrix cannot hold " + values.length + " values");
    }
  }

  public static Matrix zeros(int rows, int columns) {
    return new Matrix(rows, columns, new float[Math.multiplyExact(rows, columns)]);
  }

  public float at(int row, int column) {
    return values[row * columns + column];
  }

  public void set(int row, int column, float value) {
    values[row * columns + column] = value;
  }

  public Matrix copy() {
    return new Matrix(rows, columns, values.clone());
  }

  /** Column {@code j} of the result is column {@code order[j]} of this. */
  public Matrix permuteColumns(int[] order) {
    var permuted = zeros(rows, order.length);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < order.length; j++) {
        permuted.values[i * order.length + j] = values[i * columns + order[j]];
      }
    }
    return permuted;
  }
}
