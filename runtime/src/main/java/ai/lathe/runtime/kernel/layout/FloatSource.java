package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatType;
import java.util.Optional;

/** Rows of 4-bit floats, whose doubles are whole numbers from -12 to 12. */
final class FloatSource implements Packing.Source {

  private final FloatQuantized weight;
  private final Layout layout;
  private final byte[] doubles = new byte[16];
  private final float[] scales;

  FloatSource(FloatQuantized weight, Layout layout) {
    this.weight = weight;
    this.layout = layout;
    this.scales = new float[weight.scheme().tile().across(weight.columns())];
    for (int code = 0; code < doubles.length; code++) {
      doubles[code] = (byte) (2 * FloatType.E2M1.decode((byte) code));
    }
  }

  static Optional<Layout> layout(FloatQuantized weight) {
    int width = weight.scheme().tile().columns();
    if (weight.scheme().type() != FloatType.E2M1 || width % 16 != 0) {
      return Optional.empty();
    }
    return Optional.of(new Layout(8, width % 32 == 0 ? 32 : 16, Sides.F16));
  }

  @Override
  public void read(int row, PackedRow target) {
    int columns = weight.columns();
    var tile = weight.scheme().tile();
    int height = tile.rows() == 0 ? weight.rows() : tile.rows();
    int width = tile.columns() == 0 ? columns : tile.columns();
    int at = row * columns;
    for (int j = 0; j < columns; j++) {
      target.codes[j] = doubles[weight.codes()[at + j] & 15];
    }
    weight.scales().copyFloats((long) (row / height) * scales.length, scales, 0, scales.length);
    for (int g = 0; g * layout.group() < columns; g++) {
      target.scales[g] = scales[g * layout.group() / width];
    }
    target.factor = 0.5f / weight.globalScale();
  }
}
