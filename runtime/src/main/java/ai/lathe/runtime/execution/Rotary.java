package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig.Rope;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Cosines and sines of rotary positions (Su et al. 2021, arXiv 2104.09864), for one kind of rope.
 * Angles are computed in double: in float32 they lose three digits at position 1000.
 */
final class Rotary {

  private static final int FIRST = 256;

  private final Rope rope;
  private final int half;
  private MemorySegment cosines;
  private MemorySegment sines;
  private int positions;

  Rotary(Rope rope) {
    this.rope = rope;
    this.half = rope.dimensions() / 2;
  }

  Rope rope() {
    return rope;
  }

  /** Pairs of features that turn. */
  int half() {
    return half;
  }

  /** Makes the tables cover sequences of so many tokens. */
  void prepare(int tokens) {
    if (tokens <= positions && rope.sameFrequencies(tokens, positions)) {
      return;
    }
    int rows = Math.max(tokens, Math.max(FIRST, 2 * positions));
    var frequencies = rope.frequencies(tokens);
    long bytes = (long) rows * half * Float.BYTES;
    cosines = Arena.ofAuto().allocate(bytes, 64);
    sines = Arena.ofAuto().allocate(bytes, 64);
    for (int t = 0; t < rows; t++) {
      for (int i = 0; i < half; i++) {
        long at = (long) t * half + i;
        double angle = t * frequencies[i];
        cosines.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (rope.stretch() * Math.cos(angle)));
        sines.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (rope.stretch() * Math.sin(angle)));
      }
    }
    positions = tokens <= positions ? tokens : rows;
  }

  /** {@code [positions, half]} */
  MemorySegment cosines() {
    return cosines;
  }

  MemorySegment sines() {
    return sines;
  }
}
