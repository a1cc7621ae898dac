package ai.lathe.runtime.execution;

import ai.lathe.model.LanguageModel;
import ai.lathe.runtime.execution.Batch.Wanted;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A {@link Decoder} as evaluation sees a model. For one thread at a time. */
public final class RuntimeModel implements LanguageModel {

  /** Logits are computed for so many positions at once. */
  private static final int ROWS = 32;

  private final Decoder decoder;
  private final Batch batch = new Batch();

  /** The decoder is closed with the model. */
  public RuntimeModel(Decoder decoder) {
    this.decoder = decoder;
  }

  @Override
  public int vocabularySize() {
    return decoder.config().vocabulary();
  }

  @Override
  public int contextLength() {
    return decoder.config().context();
  }

  @Override
  public Logits forward(int[] tokens) {
    long width = (long) decoder.config().hidden() * Float.BYTES;
    var arena = Arena.ofShared();
    try (var sequence = decoder.newSequence(tokens.length)) {
      var states = arena.allocate(tokens.length * width, 64);
      int step = decoder.batchTokens();
      for (int from = 0; from < Math.max(1, tokens.length); from += step) {
        int to = Math.min(tokens.length, from + step);
        decoder.forward(batch.clear().add(sequence, tokens, from, to, Wanted.ALL));
        MemorySegment.copy(decoder.states(), 0, states, from * width, (to - from) * width);
      }
      return new Held(tokens.length, states, arena);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  /** States of the last block; logits are made of them when they are asked for. */
  private final class Held implements Logits {
    private final int positions;
    private final MemorySegment states;
    private final Arena arena;

    Held(int positions, MemorySegment states, Arena arena) {
      this.positions = positions;
      this.states = states;
      this.arena = arena;
    }

    @Override
    public int positions() {
      return positions;
    }

    @Override
    public void rows(int from, int to, float[] target) {
      int vocabulary = vocabularySize();
      for (int row = from; row < to; row += ROWS) {
        int end = Math.min(to, row + ROWS);
        var logits = decoder.logits(states, row, end);
        int at = (row - from) * vocabulary;
        MemorySegment.copy(logits, ValueLayout.JAVA_FLOAT, 0, target, at, (end - row) * vocabulary);
      }
    }

    @Override
    public void close() {
      arena.close();
    }
  }

  @Override
  public void close() {
    decoder.close();
  }
}
