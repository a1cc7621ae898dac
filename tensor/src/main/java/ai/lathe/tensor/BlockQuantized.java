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
    rowDecoder().decode(from, to, target, offset);
  }

  @Override
  public RowDecoder rowDecoder() {
    var decoder = type.decoder();
    int perRow = columns / type.size();
    return (from, to, target, offset) ->
        decoder.decode(
            blocks, (long) from * perRow * type.bytes(), (to - from) * perRow, target, offset);
  }
}
