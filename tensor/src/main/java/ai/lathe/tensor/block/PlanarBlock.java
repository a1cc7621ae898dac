package ai.lathe.tensor.block;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * A block of codes in bit {@linkplain Plane planes}, with the scales wherever the kind has them.
 */
abstract class PlanarBlock implements BlockType {

  private final String name;
  private final int size;
  private final int bytes;
  private final int groupSize;
  private final Levels levels;
  private final List<Plane> planes;

  /** What a file has for each code, and the level of each such symbol. */
  private final byte[] symbols;

  private final float[] values;

  /**
   * Where symbols are codes but for one bit, and levels are consecutive, a level is a symbol with
   * this bit turned over, plus the lowest level; -1 where it has to be looked up.
   */
  private final int turned;

  /**
   * @param symbols what a file has for each code
   * @param planes of the symbols' bits
   */
  PlanarBlock(
      String name,
      int size,
      int bytes,
      int groupSize,
      Levels levels,
      byte[] symbols,
      List<Plane> planes) {
    this.name = name;
    this.size = size;
    this.bytes = bytes;
    this.groupSize = groupSize;
    this.levels = levels;
    this.symbols = symbols;
    this.planes = planes;
    this.values = new float[1 << planes.stream().mapToInt(Plane::bits).sum()];
    for (int code = 0; code < symbols.length; code++) {
      values[symbols[code] & 0xFF] = levels.value(code);
    }
    int first = symbols[0] & 0xFF;
    boolean linear = levels.consecutive();
    for (int code = 0; code < symbols.length; code++) {
      linear &= symbols[code] == (byte) (code ^ first);
    }
    this.turned = linear ? first : -1;
  }

  /** Codes that are stored as they are. */
  static byte[] plain(Levels levels) {
    var symbols = new byte[levels.count()];
    for (int code = 0; code < symbols.length; code++) {
      symbols[code] = (byte) code;
    }
    return symbols;
  }

  /** Puts what {@link BlockScales#stored} holds into a block. */
  abstract void writeScales(int[] stored, byte[] block);

  /** The inverse. */
  abstract void readScales(byte[] block, int[] stored);

  /** How many numbers {@link BlockScales#stored} has. */
  abstract int storedCount();

  /** Scale and offset of each group, as a reader computes them from what is stored. */
  abstract void scales(int[] stored, float[] scale, float[] offset);

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final int size() {
    return size;
  }

  @Override
  public final int bytes() {
    return bytes;
  }

  @Override
  public final int groupSize() {
    return groupSize;
  }

  @Override
  public final int codes() {
    return levels.count();
  }

  @Override
  public final float level(int code) {
    return levels.value(code);
  }

  @Override
  public final int nearest(float position) {
    return levels.nearest(position);
  }

  @Override
  public final void write(
      BlockScales scales, byte[] codes, int at, MemorySegment target, long offset) {
    var stored = new byte[size];
    for (int i = 0; i < size; i++) {
      stored[i] = symbols[codes[at + i] & 0xFF];
    }
    var block = new byte[bytes];
    planes.forEach(plane -> plane.pack(stored, block));
    writeScales(scales.stored(), block);
    MemorySegment.copy(block, 0, target, JAVA_BYTE, offset, bytes);
  }

  @Override
  public final BlockScales emptyScales() {
    int groups = size / groupSize;
    return new BlockScales(new float[groups], new float[groups], new int[storedCount()]);
  }

  @Override
  public final void read(
      MemorySegment source, long offset, byte[] target, int at, BlockScales scales) {
    levelReader().read(source, offset, target, at, scales);
  }

  @Override
  public final LevelReader levelReader() {
    var block = new byte[bytes];
    var found = new byte[size];
    return (source, offset, target, at, scales) -> {
      takeApart(source, offset, block, found, scales);
      if (turned >= 0) {
        int low = levels.low();
        for (int i = 0; i < size; i++) {
          target[at + i] = (byte) (((found[i] ^ turned) & 0xFF) + low);
        }
      } else {
        for (int i = 0; i < size; i++) {
          target[at + i] = (byte) values[found[i] & 0xFF];
        }
      }
    };
  }

  @Override
  public final Decoder decoder() {
    return new Reader();
  }

  private final class Reader implements Decoder {
    private final byte[] block = new byte[bytes];
    private final byte[] found = new byte[size];
    private final BlockScales scales = emptyScales();

    @Override
    public void decode(MemorySegment source, long offset, int count, float[] target, int at) {
      for (int i = 0; i < count; i++) {
        takeApart(source, offset + (long) i * bytes, block, found, scales);
        for (int first = 0, g = 0; first < size; first += groupSize, g++) {
          int to = at + i * size + first;
          if (turned >= 0) {
            count(found, first, scales.scale()[g], scales.offset()[g], target, to);
          } else {
            lookUp(found, first, scales.scale()[g], scales.offset()[g], target, to);
          }
        }
      }
    }
  }

  /** Puts the block's symbols into {@code found}, and fills {@code scales}. */
  private void takeApart(
      MemorySegment source, long offset, byte[] block, byte[] found, BlockScales scales) {
    MemorySegment.copy(source, JAVA_BYTE, offset, block, 0, bytes);
    Arrays.fill(found, (byte) 0);
    for (int plane = 0; plane < planes.size(); plane++) {
      planes.get(plane).unpack(block, found);
    }
    readScales(block, scales.stored());
    scales(scales.stored(), scales.scale(), scales.offset());
  }

  private void count(byte[] stored, int from, float scale, float shift, float[] target, int at) {
    int low = levels.low();
    for (int i = 0; i < groupSize; i++) {
      target[at + i] = scale * (((stored[from + i] ^ turned) & 0xFF) + low) + shift;
    }
  }

  private void lookUp(byte[] stored, int from, float scale, float shift, float[] target, int at) {
    for (int i = 0; i < groupSize; i++) {
      target[at + i] = scale * values[stored[from + i] & 0xFF] + shift;
    }
  }

  @Override
  public final String toString() {
    return name;
  }
}
