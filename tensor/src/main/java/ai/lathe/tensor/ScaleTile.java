package ai.lathe.tensor;

/**
 * The weights that share a scale: a rectangle of a {@code [out, in]} matrix.
 *
 * @param rows outputs, 0 for all of them
 * @param columns consecutive inputs, 0 for all of them
 */
public record ScaleTile(int rows, int columns) {

  /** One scale for the whole matrix. */
  public static final ScaleTile TENSOR = new ScaleTile(0, 0);

  /** One scale a row. */
  public static final ScaleTile CHANNEL = new ScaleTile(1, 0);

  public ScaleTile {
    if (rows < 0 || columns < 0) {
      throw new LatheException(
          "a scale cannot be shared by %d x %d weights".formatted(rows, columns));
    }
  }

  /** A scale for every {@code size} inputs of a row. */
  public static ScaleTile group(int size) {
    return new ScaleTile(1, size);
  }

  /** Tiles from top to bottom; the last may be cut off. */
  public int down(int matrixRows) {
    return rows == 0 ? 1 : Math.ceilDiv(matrixRows, rows);
  }

  /** Tiles from left to right; the last may be cut off. */
  public int across(int matrixColumns) {
    return columns == 0 ? 1 : Math.ceilDiv(matrixColumns, columns);
  }

  /** For tables: {@code tensor}, {@code channel}, {@code g128}, {@code 128x128}. */
  public String label() {
    if (rows == 1) {
      return columns == 0 ? "channel" : "g" + columns;
    }
    return equals(TENSOR) ? "tensor" : rows + "x" + columns;
  }
}
