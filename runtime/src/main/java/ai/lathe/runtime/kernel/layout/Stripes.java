package ai.lathe.runtime.kernel.layout;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;

/**
 * A matrix of integer codes, packed.
 *
 * @param rows output features
 * @param columns input features
 * @param codes the stripes in order, {@link Layout#bytes} in all, from an address that 64 divides
 * @param factors float32, what each row is multiplied with last: {@code [rows]}, filled up with
 *     zeros to whole stripes; NaN for a row of which a scale is not finite
 * @param order the input feature at each packed column, {@code [columns]}; null where that is the
 *     column itself
 */
public record Stripes(
    Layout layout, int rows, int columns, MemorySegment codes, MemorySegment factors, int[] order)
    implements PackedStripes {

  private static final int COLUMNS = Layout.COLUMNS;
  private static final int VECTOR = 64;

  /** Bytes of a stripe. */
  public long stripeBytes() {
    return layout.stripeBytes(columns);
  }

  @Override
  public long stripeAt(int stripe) {
    return stripe * stripeBytes();
  }

  @Override
  public String label() {
    return layout.label();
  }

  /** The code of a weight, an offset taken away: the number that inputs are multiplied with. */
  public int code(int row, int column) {
    long at = unitAt(row, column) + (long) column % layout.unit() / COLUMNS * layout.codeBytes();
    int lane = row % Layout.ROWS;
    int k = column % COLUMNS;
    if (layout.bits() == 8) {
      return codes.get(JAVA_BYTE, at + k / 4 * VECTOR + 4 * lane + k % 4);
    }
    int pair = codes.get(JAVA_BYTE, at + k / 8 * VECTOR + 4 * lane + k % 4);
    int code = (k % 8 < 4 ? pair : pair >> 4) & 15;
    if (layout.bits() == 6) {
      int pairs = codes.get(JAVA_BYTE, at + (8 + k / 16) * VECTOR + 4 * lane + k % 4);
      code |= (pairs >> k % 16 / 4 * 2 & 3) << 4;
    }
    return code - layout.offset();
  }

  /** What a code is multiplied with, but for the row's factor; not for {@code ROW}. */
  public float scale(int row, int column) {
    long unit = unitAt(row, column);
    int lane = row % Layout.ROWS;
    int group = column % layout.unit() / layout.group();
    if (layout.sides().twoLevels()) {
      float d = half(unit + layout.superScalesAt() + 2 * lane);
      return d * codes.get(JAVA_BYTE, unit + layout.scalesAt() + group * Layout.ROWS + lane);
    }
    return half(unit + layout.scalesAt() + group / 2 * VECTOR + 4 * lane + 2 * (group % 2));
  }

  /** What is subtracted, but for the row's factor; 0 without minima. */
  public float minimum(int row, int column) {
    if (!layout.sides().minima()) {
      return 0;
    }
    long unit = unitAt(row, column);
    int lane = row % Layout.ROWS;
    int at = column % layout.unit() / layout.group() * Layout.ROWS + lane;
    if (layout.sides().twoLevels()) {
      float dmin = half(unit + layout.superMinimaAt() + 2 * lane);
      return dmin * codes.get(JAVA_BYTE, unit + layout.minimaAt() + at);
    }
    return codes.get(JAVA_FLOAT, unit + layout.minimaAt() + 4L * at);
  }

  /** What a row is multiplied with last. */
  public float factor(int row) {
    return factors.getAtIndex(JAVA_FLOAT, row);
  }

  private long unitAt(int row, int column) {
    return row / Layout.ROWS * stripeBytes() + (long) (column / layout.unit()) * layout.unitBytes();
  }

  private float half(long at) {
    return Float.float16ToFloat(codes.get(JAVA_SHORT, at));
  }

  @Override
  public long bytes() {
    return codes.byteSize() + factors.byteSize();
  }
}
