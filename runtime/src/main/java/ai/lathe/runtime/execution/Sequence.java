package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One text that a decoder is reading or writing: the keys and values of its tokens so far. For one
 * thread at a time.
 */
public final class Sequence implements AutoCloseable {

  private static final int FIRST = 64;

  private final int width;
  private final MemorySegment[] keys;
  private final MemorySegment[] values;
  private final int planned;
  private int capacity;
  private int length;

  Sequence(ModelConfig config, int planned) {
    this.planned = planned;
    width = config.keyValueHeads() * config.headSize();
    keys = new MemorySegment[config.blocks()];
    values = new MemorySegment[config.blocks()];
    grow(FIRST);
  }

  /** Tokens that the model has read. */
  public int length() {
    return length;
  }

  /** Tokens that it is expected to have in the end, or 0 where nothing is known. */
  int planned() {
    return planned;
  }

  /** Forgets all tokens from {@code to} on. */
  public void truncate(int to) {
    length = Math.min(length, to);
  }

  /** Room for so many more tokens. */
  void reserve(int more) {
    if (length + more > capacity) {
      grow(Math.max(length + more, 2 * capacity));
    }
  }

  void advance(int tokens) {
    length += tokens;
  }

  /** {@code [positions, key-value heads * head]} float32. */
  MemorySegment keys(int block) {
    return keys[block];
  }

  MemorySegment values(int block) {
    return values[block];
  }

  private void grow(int positions) {
    long bytes = (long) positions * width * Float.BYTES;
    for (int block = 0; block < keys.length; block++) {
      keys[block] = grown(keys[block], bytes);
      values[block] = grown(values[block], bytes);
    }
    capacity = positions;
  }

  private static MemorySegment grown(MemorySegment old, long bytes) {
    var larger = Arena.ofAuto().allocate(bytes, 64);
    return old == null ? larger : larger.copyFrom(old);
  }

  @Override
  public void close() {
    truncate(0);
  }
}
