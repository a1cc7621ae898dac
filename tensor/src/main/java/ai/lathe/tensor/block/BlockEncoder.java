package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/** Rounds weights to the nearest values of a block type: fit, nearest code, write. */
public final class BlockEncoder {

  private BlockEncoder() {}

  /** The code whose value is nearest to {@code x} on the grid of group {@code group}. */
  public static int nearest(BlockType type, BlockScales scales, int group, float x) {
    float scale = scales.scale()[group];
    return type.nearest(scale == 0 ? 0 : (x - scales.offset()[group]) / scale);
  }

  /**
   * Encodes the blocks of {@code x[at .. at + count)}, {@code count} a multiple of the block size.
   *
   * @param importance of each squared error, same indices as {@code x}; or null
   * @param offset byte of {@code target} where the first block goes
   */
  public static void encode(
      BlockType type,
      float[] x,
      int at,
      int count,
      float[] importance,
      MemorySegment target,
      long offset) {
    checkMultiple(type, count);
    var codes = new byte[type.size()];
    long block = offset;
    for (int from = at; from < at + count; from += type.size()) {
      var scales = type.fit(x, from, importance);
      for (int i = 0; i < codes.length; i++) {
        codes[i] = (byte) nearest(type, scales, i / type.groupSize(), x[from + i]);
      }
      type.write(scales, codes, 0, target, block);
      block += type.bytes();
    }
  }

  /**
   * Encodes a whole weight, rows in parallel.
   *
   * @param importance of each input feature, {@code [in]}; or null
   * @param arena owner of the result's memory; accessible to every thread
   */
  public static BlockQuantized encode(
      BlockType type, LinearWeight weight, float[] importance, Arena arena) {
    int columns = weight.columns();
    if (importance != null && importance.length != columns) {
      throw new LatheException(
          "importance has " + importance.length + " values for " + columns + " input features");
    }
    checkMultiple(type, columns);
    var blocks = arena.allocate(type.bytes(weight.rows(), columns), 64);
    IntStream.range(0, weight.rows())
        .parallel()
        .forEach(
            row -> {
              var values = new float[columns];
              weight.decodeRows(row, row + 1, values, 0);
              encode(type, values, 0, columns, importance, blocks, type.bytes(row, columns));
            });
    return new BlockQuantized(type, weight.rows(), columns, blocks);
  }

  private static void checkMultiple(BlockType type, int columns) {
    if (columns % type.size() != 0) {
      throw new LatheException(
          type.name()
              + " stores blocks of "
              + type.size()
              + " weights; a row of "
              + columns
              + " is not a multiple of that");
    }
  }
}
