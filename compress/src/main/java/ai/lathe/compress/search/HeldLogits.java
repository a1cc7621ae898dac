package ai.lathe.compress.search;

import ai.lathe.model.LanguageModel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** All logits of a model over known sequences, outside the heap. For one thread. */
final class HeldLogits implements LanguageModel {

  /** Logits that are computed at a time. */
  private static final int CHUNK = 1 << 22;

  private final Arena arena = Arena.ofConfined();
  private final int vocabulary;
  private final int context;
  private final Map<int[], MemorySegment> rows = new IdentityHashMap<>();

  HeldLogits(LanguageModel model, List<int[]> sequences) {
    vocabulary = model.vocabularySize();
    context = model.contextLength();
    for (var sequence : sequences) {
      var memory = arena.allocate(bytes(vocabulary, List.of(sequence)), 64);
      int step = Math.clamp(CHUNK / vocabulary, 1, sequence.length);
      var values = new float[step * vocabulary];
      try (var logits = model.forward(sequence)) {
        for (int from = 0; from < sequence.length; from += step) {
          int to = Math.min(sequence.length, from + step);
          logits.rows(from, to, values);
          long at = (long) from * vocabulary * Float.BYTES;
          int count = (to - from) * vocabulary;
          MemorySegment.copy(values, 0, memory, ValueLayout.JAVA_FLOAT, at, count);
        }
      }
      rows.put(sequence, memory);
    }
  }

  static long bytes(int vocabulary, List<int[]> sequences) {
    return sequences.stream().mapToLong(sequence -> sequence.length).sum()
        * vocabulary
        * Float.BYTES;
  }

  @Override
  public int vocabularySize() {
    return vocabulary;
  }

  @Override
  public int contextLength() {
    return context;
  }

  @Override
  public Logits forward(int[] tokens) {
    var memory = rows.get(tokens);
    return new Logits() {
      @Override
      public int positions() {
        return tokens.length;
      }

      @Override
      public void rows(int from, int to, float[] target) {
        long at = (long) from * vocabulary * Float.BYTES;
        int count = (to - from) * vocabulary;
        MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, at, target, 0, count);
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public void close() {
    arena.close();
  }
}
