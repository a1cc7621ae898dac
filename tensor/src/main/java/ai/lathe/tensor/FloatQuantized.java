package ai.lathe.tensor;

import java.lang.foreign.Arena;
import java.util.List;

/**
 * Codes of a small floating type with a scale for each tile: {@code value = scale / global * code},
 * in float32.
 *
 * @param rows output features
 * @param columns input features
 * @param codes {@code [rows * columns]} row-major, one a byte
 * @param scales {@code [tiles down, tiles across]}; the type is what the scheme's scales are stored
 *     as, and what is stored is what is used
 * @param globalScale what all scales are divided by; 1 where the scheme has none
 * @param inputScale where the scheme's activations are calibrated; else NaN
 */
public record FloatQuantized(
    FloatScheme scheme,
    int rows,
    int columns,
    byte[] codes,
    Tensor scales,
    float globalScale,
    float inputScale)
    implements LinearWeight {

  public FloatQuantized {
    if (codes.length != (long) rows * columns) {
      throw new LatheException(
          "a " + rows + " x " + columns + " weight has " + codes.length + " codes");
    }
    var tile = scheme.tile();
    if (scales.elements() != (long) tile.down(rows) * tile.across(columns)) {
      throw new LatheException(
          "a %d x %d weight in %s has scales %s".formatted(rows, columns, scheme.label(), scales));
    }
    if (!(globalScale > 0) || Float.isInfinite(globalScale)) {
      throw new LatheException("a global scale is positive and finite, not " + globalScale);
    }
  }

  /** The rows of several weights like {@code first}, each of which has scales of its own. */
  static FloatQuantized stack(List<LinearWeight> parts, FloatQuantized first, int rows) {
    if (first.scheme.tile().rows() != 1 || first.scheme.global()) {
      throw new LatheException(
          first.scheme.label() + " has scales for all rows together; take a scale for each row");
    }
    int across = first.scheme.tile().across(first.columns);
    var codes = new byte[Math.multiplyExact(rows, first.columns)];
    var scales = new float[rows * across];
    int row = 0;
    for (var weight : parts) {
      var part = (FloatQuantized) weight;
      System.arraycopy(part.codes, 0, codes, row * first.columns, part.codes.length);
      part.scales.copyFloats(0, scales, row * across, part.rows * across);
      row += part.rows;
    }
    // The scales were of this type before, so nothing is rounded on the way back.
    var stored = Tensor.ofFloats(scales, rows, across).to(first.scales.dtype(), Arena.ofAuto());
    return new FloatQuantized(
        first.scheme, rows, first.columns, codes, stored, first.globalScale, first.inputScale);
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Floats(scheme, scales.dtype());
  }

  @Override
  public FloatQuantized withInputScale(float scale) {
    return new FloatQuantized(scheme, rows, columns, codes, scales, globalScale, scale);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    decodeRows(from, to, target, offset, new float[scheme.tile().across(columns)]);
  }

  @Override
  public RowDecoder rowDecoder() {
    var scale = new float[scheme.tile().across(columns)];
    return (from, to, target, offset) -> decodeRows(from, to, target, offset, scale);
  }

  /**
   * @param scale memory for the scales of a row of tiles
   */
  private void decodeRows(int from, int to, float[] target, int offset, float[] scale) {
    var values = scheme.type().decoded();
    int mask = values.length - 1;
    int across = scale.length;
    int height = scheme.tile().rows() == 0 ? rows : scheme.tile().rows();
    int width = scheme.tile().columns() == 0 ? columns : scheme.tile().columns();
    for (int row = from; row < to; row++) {
      scales.copyFloats((long) (row / height) * across, scale, 0, across);
      int at = row * columns;
      int out = offset + (row - from) * columns;
      for (int j = 0; j < columns; j++) {
        target[out + j] = values[codes[at + j] & mask] * (scale[j / width] / globalScale);
      }
    }
  }
}
