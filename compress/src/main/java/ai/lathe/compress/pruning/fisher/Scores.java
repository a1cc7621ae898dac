package ai.lathe.compress.pruning.fisher;

import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.Cut;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/** A score for each unit of each matrix, outside the heap. */
final class Scores implements AutoCloseable {

  /** Scores that are looked at together. */
  private static final int RUN = 1 << 16;

  private final Arena arena = Arena.ofShared();
  private final List<MemorySegment> matrices = new ArrayList<>();
  private long units;

  Scores(WeightStore store, int unit) {
    for (int i = 0; i < store.size(); i++) {
      long count = store.weights(i) / unit;
      matrices.add(arena.allocate(count * Float.BYTES, 64));
      units += count;
    }
  }

  void put(int matrix, float[] scores) {
    for (float score : scores) {
      if (!(score >= 0 && score < Float.POSITIVE_INFINITY)) {
        throw new LatheException(
            "the cost of removing a weight is %s: gradients too large for float32, or a damp too small"
                .formatted(score));
      }
    }
    MemorySegment.copy(scores, 0, matrices.get(matrix), ValueLayout.JAVA_FLOAT, 0, scores.length);
  }

  /** Exactly the share of all units, those of the least scores; of equal ones the first. */
  List<BitSet> lowest(double share) {
    var cut = Cut.of(Math.round(units * share), this::forEach);
    var chosen = new ArrayList<BitSet>();
    long ties = cut.ties();
    for (var scores : matrices) {
      var bits = new BitSet();
      var values = scores.toArray(ValueLayout.JAVA_FLOAT);
      for (int i = 0; i < values.length; i++) {
        if (values[i] < cut.threshold() || values[i] == cut.threshold() && ties-- > 0) {
          bits.set(i);
        }
      }
      chosen.add(bits);
    }
    return chosen;
  }

  private void forEach(Cut.Counter counter) {
    var run = new float[RUN];
    for (var scores : matrices) {
      long count = scores.byteSize() / Float.BYTES;
      for (long from = 0; from < count; from += RUN) {
        int length = (int) Math.min(RUN, count - from);
        MemorySegment.copy(scores, ValueLayout.JAVA_FLOAT, from * Float.BYTES, run, 0, length);
        counter.count(run, 0, length);
      }
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
