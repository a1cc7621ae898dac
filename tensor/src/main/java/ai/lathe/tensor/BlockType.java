package ai.lathe.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A self-contained block encoding of consecutive weights of one row, as GGUF stores them: {@link
 * #size} weights in {@link #bytes} bytes, divided into groups that share a scale. A value is {@code
 * scale * level(code) + offset}.
 *
 * <p>Fitting (choosing scales), rounding and writing are separate, so that a solver with error
 * feedback can round each weight when its turn comes, on exactly the grid that the block will be
 * decoded with.
 */
public interface BlockType {

  /** The name that GGUF users know, for example {@code Q4_K}. */
  String name();

  /** Weights in a block. */
  int size();

  /** Bytes of a stored block. */
  int bytes();

  /** Weights that share a scale; divides {@link #size}. */
  int groupSize();

  /** Number of codes; a code is in {@code [0, codes)}. */
  int codes();

  /**
   * What code {@code c} stands for before scale and offset; increasing in {@code c}. Scales may be
   * negative, which turns the order of the values around.
   */
  float level(int code);

  /**
   * Whether a weight that is zero stays exactly zero, whatever else is in its block: there is a
   * level 0, and no offset.
   */
  default boolean holdsZero() {
    for (int code = 0; code < codes(); code++) {
      if (level(code) == 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * The code whose level is nearest to {@code position}, which is {@code (x - offset) / scale} of
   * the weight's group; beyond the ends, that of the end.
   */
  default int nearest(float position) {
    int low = 0;
    int high = codes() - 1;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (position > (level(middle) + level(middle + 1)) / 2) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /**
   * Chooses the scales for {@code x[at .. at + size)}. Every scale and offset is already the value
   * that a reader of the stored block will compute.
   *
   * @param importance weight of each squared error, same indices as {@code x}; null where all count
   *     as the type's own default
   */
  BlockScales fit(float[] x, int at, float[] importance);

  /** Stores a block. {@code codes[at .. at + size)} are the codes of its weights. */
  void write(BlockScales scales, byte[] codes, int at, MemorySegment target, long offset);

  /** Reads the block at byte {@code offset} into {@code target[at .. at + size)}. */
  default void decode(MemorySegment source, long offset, float[] target, int at) {
    decoder().decode(source, offset, 1, target, at);
  }

  /** Reads many blocks, with memory of its own for what lies between; for one thread. */
  Decoder decoder();

  /** See {@link #decoder}. */
  @FunctionalInterface
  interface Decoder {

    /** Reads {@code count} blocks from byte {@code offset} on into {@code target[at ..]}. */
    void decode(MemorySegment source, long offset, int count, float[] target, int at);
  }

  /** Arrays for {@link #read}. */
  BlockScales emptyScales();

  /**
   * Takes the block at byte {@code offset} apart, without any rounding: {@code levels[at .. at +
   * size)} are the {@link #level}s of its weights, which a byte holds, {@code scales} is filled
   * with what {@link #write} was given.
   */
  void read(MemorySegment source, long offset, byte[] levels, int at, BlockScales scales);

  /**
   * Does {@link #read} many times, with memory of its own for what lies between; for one thread.
   */
  default LevelReader levelReader() {
    return this::read;
  }

  /** See {@link #levelReader}. */
  @FunctionalInterface
  interface LevelReader {

    /** As {@link BlockType#read}. */
    void read(MemorySegment source, long offset, byte[] levels, int at, BlockScales scales);
  }

  /** Bytes of a {@code [rows, columns]} matrix; columns must be a multiple of {@link #size}. */
  default long bytes(long rows, long columns) {
    return Math.multiplyExact(rows, columns / size() * bytes());
  }
}
