package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A {@link Mask} as files hold it: U8 {@code [out, ceil(in / 8)]}, a bit a weight, the first input
 * the lowest bit of the first byte. Where the pattern is blocks there is a bit for each block in
 * the same way.
 */
final class StoredMask {

  /** A gigabyte; only a matrix of many rows and hardly any columns has more. */
  private static final long MOST_WORDS = 1L << 27;

  private StoredMask() {}

  private static int high(Pattern pattern) {
    return pattern instanceof Pattern.Blocks(int rows, _) ? rows : 1;
  }

  private static int wide(Pattern pattern) {
    return pattern instanceof Pattern.Blocks(_, int columns) ? columns : 1;
  }

  static TensorInfo info(String name, Pattern pattern, int rows, int columns) {
    return Layer.info(
        name, DType.U8, rows / high(pattern), Math.ceilDiv((long) columns / wide(pattern), 8L));
  }

  static Tensor write(Mask mask, Pattern pattern) {
    int high = high(pattern);
    int wide = wide(pattern);
    int across = mask.columns() / wide;
    int width = Math.ceilDiv(across, 8);
    int down = mask.rows() / high;
    var bytes = new byte[Math.multiplyExact(down, width)];
    for (int row = 0; row < down; row++) {
      for (int j = 0; j < across; j++) {
        if (mask.keeps(row * high, j * wide)) {
          bytes[row * width + (j >> 3)] |= (byte) (1 << (j & 7));
        }
      }
    }
    return new Tensor(DType.U8, new long[] {down, width}, MemorySegment.ofArray(bytes));
  }

  /**
   * The inverse, checked: a tensor of the right size that keeps nothing beyond a row's end.
   *
   * @param pattern divides the matrix
   */
  static Mask read(Layer layer, String suffix, Pattern pattern, int rows, int columns) {
    var expected = info(layer.prefix() + suffix, pattern, rows, columns);
    var stored = layer.source().tensor(layer.prefix() + suffix);
    if (stored.dtype() != DType.U8 || stored.elements() != Tensor.elements(expected.shape())) {
      throw layer.wrong(suffix, expected.toString(), stored);
    }
    int words = Math.ceilDiv(columns, 64);
    if ((long) rows * words > MOST_WORDS) {
      throw new FormatException(
          "'%s%s' is of %d rows of %d; narrow matrices have at most %d rows"
              .formatted(layer.prefix(), suffix, rows, columns, MOST_WORDS));
    }
    int high = high(pattern);
    int wide = wide(pattern);
    int across = columns / wide;
    int width = Math.toIntExact(expected.shape()[1]);
    var data = stored.data();
    var bits = new long[rows * words];
    for (int row = 0; row < rows; row++) {
      if (row % high != 0) {
        System.arraycopy(bits, (row - 1) * words, bits, row * words, words);
        continue;
      }
      for (int i = 0; i < width; i++) {
        long eight = data.get(ValueLayout.JAVA_BYTE, (long) (row / high) * width + i) & 0xFF;
        if (8 * (i + 1) > across && eight >>> (across - 8 * i) != 0) {
          throw new FormatException(
              "'%s%s' keeps inputs beyond the last of %d in row %d"
                  .formatted(layer.prefix(), suffix, columns, row));
        }
        if (wide == 1) {
          bits[row * words + (i >> 3)] |= eight << 8 * (i & 7);
          continue;
        }
        for (long left = eight; left != 0; left &= left - 1) {
          int first = (8 * i + Long.numberOfTrailingZeros(left)) * wide;
          for (int j = first; j < first + wide; j++) {
            bits[row * words + (j >> 6)] |= 1L << j;
          }
        }
      }
    }
    try {
      return new Mask(rows, columns, bits);
    } catch (LatheException e) {
      throw new FormatException("'" + layer.prefix() + suffix + "': " + e.getMessage(), e);
    }
  }
}
