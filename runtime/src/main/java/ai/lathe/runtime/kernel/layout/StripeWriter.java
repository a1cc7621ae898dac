package ai.lathe.runtime.kernel.layout;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Writes stripes, unit after unit. */
final class StripeWriter {

  private static final VarHandle LONGS = view(long[].class);
  private static final VarHandle INTS = view(int[].class);
  private static final VarHandle SHORTS = view(short[].class);
  private static final VarHandle FLOATS = view(float[].class);

  /** A one in each byte. */
  private static final long ONES = 0x0101010101010101L;

  private static final int VECTOR = 64;

  private final Layout layout;
  private final byte[] unit;

  StripeWriter(Layout layout) {
    this.layout = layout;
    this.unit = new byte[layout.unitBytes()];
  }

  private static VarHandle view(Class<?> array) {
    return MethodHandles.byteArrayViewVarHandle(array, ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * @param rows {@link Layout#ROWS}, normalized
   */
  void write(PackedRow[] rows, int units, MemorySegment target, long at) {
    for (int u = 0; u < units; u++) {
      Arrays.fill(unit, (byte) 0);
      for (int r = 0; r < Layout.ROWS; r++) {
        codes(rows[r].codes, u * layout.unit(), r);
        if (layout.sides().twoLevels()) {
          twoLevels(rows[r], u, r);
        } else if (layout.sides() != Sides.ROW) {
          scales(rows[r], u, r);
        }
      }
      MemorySegment.copy(
          unit, 0, target, ValueLayout.JAVA_BYTE, at + (long) u * unit.length, unit.length);
    }
  }

  private void codes(byte[] codes, int from, int row) {
    int bytes = layout.codeBytes();
    for (int part = 0; part < layout.unit() / Layout.COLUMNS; part++) {
      int out = part * bytes + 4 * row;
      int in = from + part * Layout.COLUMNS;
      if (layout.bits() == 8) {
        for (int m = 0; m < 16; m++) {
          INTS.set(unit, out + m * VECTOR, (int) INTS.get(codes, in + 4 * m));
        }
        continue;
      }
      // Turning the highest bit of a number in two's complement over adds half its range.
      long mask = (1L << layout.bits()) - 1;
      for (int m = 0; m < 8; m++) {
        long eight = (long) LONGS.get(codes, in + 8 * m) & mask * ONES ^ layout.offset() * ONES;
        long low = eight & 15 * ONES;
        INTS.set(unit, out + m * VECTOR, (int) low | (int) (low >>> 32) << 4);
        if (layout.bits() == 6) {
          // Two of the four pairs of bits in the lane of every second vector.
          long high = eight >>> 4 & 3 * ONES;
          int pairs = ((int) high | (int) (high >>> 32) << 2) << 4 * (m & 1);
          int lane = out + 8 * VECTOR + (m >> 1) * VECTOR;
          INTS.set(unit, lane, (int) INTS.get(unit, lane) | pairs);
        }
      }
    }
  }

  private void scales(PackedRow row, int u, int r) {
    int groups = layout.groups();
    for (int g = 0; g < groups; g++) {
      int lane = layout.scalesAt() + g / 2 * VECTOR + 4 * r;
      SHORTS.set(unit, lane + 2 * (g & 1), Float.floatToFloat16(row.scales[u * groups + g]));
      if (layout.sides().minima()) {
        int at = layout.minimaAt() + 4 * (g * Layout.ROWS + r);
        FLOATS.set(unit, at, row.minima[u * groups + g]);
      }
    }
  }

  private void twoLevels(PackedRow row, int u, int r) {
    int groups = layout.groups();
    for (int g = 0; g < groups; g++) {
      unit[layout.scalesAt() + g * Layout.ROWS + r] = row.scaleBytes[u * groups + g];
      if (layout.sides().minima()) {
        unit[layout.minimaAt() + g * Layout.ROWS + r] = row.minimumBytes[u * groups + g];
      }
    }
    SHORTS.set(unit, layout.superScalesAt() + 2 * r, Float.floatToFloat16(row.scales[u]));
    SHORTS.set(unit, layout.superMinimaAt() + 2 * r, Float.floatToFloat16(row.minima[u]));
  }
}
