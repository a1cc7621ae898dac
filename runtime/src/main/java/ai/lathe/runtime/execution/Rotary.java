package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.runtime.kernel.RowMath;
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

    /** Pairs of features that turn. */
    private final int half;

    private final double stretch;
    private final double[] frequencies;

    /** {@code [positions, half]} */
    private MemorySegment cosines = MemorySegment.NULL;

    private MemorySegment sines = MemorySegment.NULL;
    private int positions;

    private Turns(Rope rope, int length) {
      half = rope.dimensions() / 2;
      stretch = rope.stretch();
      frequencies = rope.frequencies(length);
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

  /**
   * The turns of one position, all of them, or those of the pairs that a narrower head still has:
   * frequencies stay what they were in the whole head. Set anew for each, by one thread.
   */
  static final class Row {
    private MemorySegment cosines = MemorySegment.NULL;
    private MemorySegment sines = MemorySegment.NULL;
    private long at;
    private int half;

    private MemorySegment keptCosines = MemorySegment.NULL;
    private MemorySegment keptSines = MemorySegment.NULL;

    void of(Turns turns, int position) {
      cosines = turns.cosines;
      sines = turns.sines;
      half = turns.half;
      at = (long) position * half;
    }

    /**
     * @param pairs that are kept, of the whole head's
     */
    void of(Turns turns, int position, int[] pairs) {
      long bytes = (long) pairs.length * Float.BYTES;
      if (keptCosines.byteSize() < bytes) {
        keptCosines = Arena.ofAuto().allocate(bytes, 64);
        keptSines = Arena.ofAuto().allocate(bytes, 64);
      }
      long first = (long) position * turns.half;
      for (int i = 0; i < pairs.length; i++) {
        long from = first + pairs[i];
        keptCosines.setAtIndex(
            ValueLayout.JAVA_FLOAT, i, turns.cosines.getAtIndex(ValueLayout.JAVA_FLOAT, from));
        keptSines.setAtIndex(
            ValueLayout.JAVA_FLOAT, i, turns.sines.getAtIndex(ValueLayout.JAVA_FLOAT, from));
      }
      cosines = keptCosines;
      sines = keptSines;
      half = pairs.length;
      at = 0;
    }

    void turn(RowMath math, MemorySegment head, long headAt) {
      math.rotate(head, headAt, cosines, sines, at, half);
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
