package ai.lathe.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A weight in self-contained blocks, exactly as a GGUF file stores it.
 *
 * @param rows output features
 * @param columns input features, a multiple of the block size
 * @param blocks the rows' blocks one after the other
 */
public record BlockQuantized(BlockType type, int rows, int columns, MemorySegment blocks)
    implements LinearWeight {

  public BlockQuantized {
    if (columns % type.size() != 0 || blocks.byteSize() != type.bytes(rows, columns)) {
      throw new LatheException(
          "a "
              + rows
              + " x "
              + columns
              + " weight cannot be "
              + blocks.byteSize()
              + " bytes of "
              + type.name());
    }
  }

  @Override
  public Encoding encoding() {
    return new Encoding.Blocked(type);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int perRow = columns / type.size();
    for (long block = (long) from * perRow, end = (long) to * perRow; block < end; block++) {
      type.decode(
          blocks,
          block * type.bytes(),
          target,
          offset + (int) (block - (long) from * perRow) * type.size());
    }
  }
}
