package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig.Rope;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Cosines and sines of rotary positions (Su et al. 2021, arXiv 2104.09864), for one kind of rope.
 * Angles are computed in double: in float32 they lose three digits at position 1000.
 *
 * <p>LongRoPE turns the keys of sequences beyond the original context otherwise, all of them, the
 * first ones too. Once keys are kept they cannot be turned anew: those of all but the first block
 * come from what the blocks before made of the old ones. transformers runs a sequence again from
 * its start when it crosses that length; llama.cpp takes one kind for all sequences, by the context
 * it was given. Here it is decided when a sequence is opened, by the tokens that it is planned to
 * have, and one that grows from one kind into the other is refused ({@link Sequence#reserve}).
 */
final class Rotary {

  private static final int FIRST = 256;

  /** The turns of one kind of sequences; grows as positions are asked for. */
  static final class Turns {
    private final int half;
    private final double stretch;
    private final double[] frequencies;
    private MemorySegment cosines = MemorySegment.NULL;
    private MemorySegment sines = MemorySegment.NULL;
    private int positions;

    private Turns(Rope rope, int length) {
      half = rope.dimensions() / 2;
      stretch = rope.stretch();
      frequencies = rope.frequencies(length);
    }

    /** {@code [positions, half]} */
    MemorySegment cosines() {
      return cosines;
    }

    MemorySegment sines() {
      return sines;
    }

    /** Pairs of features that turn. */
    int half() {
      return half;
    }

    private void reach(int length) {
      if (length <= positions) {
        return;
      }
      int rows = Math.max(length, Math.max(FIRST, 2 * positions));
      long bytes = (long) rows * half * Float.BYTES;
      cosines = grown(cosines, bytes);
      sines = grown(sines, bytes);
      for (int t = positions; t < rows; t++) {
        for (int i = 0; i < half; i++) {
          long at = (long) t * half + i;
          double angle = t * frequencies[i];
          cosines.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (stretch * Math.cos(angle)));
          sines.setAtIndex(ValueLayout.JAVA_FLOAT, at, (float) (stretch * Math.sin(angle)));
        }
      }
      positions = rows;
    }

    private static MemorySegment grown(MemorySegment old, long bytes) {
      return Arena.ofAuto().allocate(bytes, 64).copyFrom(old);
    }
  }

  private final Rope rope;
  private final Turns ofShort;
  private Turns ofLong;

  Rotary(Rope rope) {
    this.rope = rope;
    this.ofShort = new Turns(rope, 1);
  }

  /**
   * @param planned length that the sequence was opened for
   * @param length positions that are needed
   */
  Turns turns(int planned, int length) {
    var turns = ofShort;
    int most = Math.max(planned, length);
    if (!rope.sameFrequencies(1, most)) {
      if (ofLong == null) {
        ofLong = new Turns(rope, most);
      }
      turns = ofLong;
    }
    turns.reach(length);
    return turns;
  }
}
