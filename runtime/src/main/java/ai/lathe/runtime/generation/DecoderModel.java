package ai.lathe.runtime.generation;

import ai.lathe.runtime.execution.Batch;
import ai.lathe.runtime.execution.Batch.Wanted;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.Sequence;
import java.lang.foreign.MemorySegment;

/** A {@link Decoder} as generation sees it. */
public final class DecoderModel implements BatchModel {

  private final Decoder decoder;
  private final int context;
  private final Batch batch = new Batch();

  /**
   * @param context most tokens of a sequence, at most the model's
   */
  public DecoderModel(Decoder decoder, int context) {
    this.decoder = decoder;
    this.context = context;
  }

  private final class Memory implements State {
    private final Sequence sequence;
    private final int planned;

    Memory(int planned) {
      this.planned = planned;
      this.sequence = decoder.newSequence(planned);
    }

    @Override
    public int length() {
      return sequence.length();
    }

    @Override
    public void truncate(int to) {
      sequence.truncate(to);
    }

    @Override
    public int earliest() {
      return sequence.earliest();
    }

    /** LongRoPE turns the keys of a longer text by other angles. */
    @Override
    public boolean canBecome(int tokens) {
      var rope = decoder.config().rope();
      return rope == null || rope.sameFrequencies(planned, tokens);
    }

    @Override
    public void close() {
      sequence.close();
    }
  }

  @Override
  public int vocabulary() {
    return decoder.config().vocabulary();
  }

  @Override
  public int context() {
    return context;
  }

  @Override
  public int batchTokens() {
    return decoder.batchTokens();
  }

  @Override
  public State open(int tokens) {
    return new Memory(tokens);
  }

  @Override
  public long cacheBytes(int tokens) {
    return decoder.cache().bytes(tokens, decoder.batchTokens());
  }

  @Override
  public void begin() {
    batch.clear();
  }

  @Override
  public void add(State state, int[] tokens, int from, int to, int wanted) {
    var logits =
        switch (wanted) {
          case 0 -> Wanted.NONE;
          case 1 -> Wanted.LAST;
          default -> Wanted.ALL;
        };
    batch.add(((Memory) state).sequence, tokens, from, to, logits);
  }

  @Override
  public void run() {
    decoder.forward(batch);
  }

  @Override
  public MemorySegment logits(int rows) {
    return decoder.logits(0, rows);
  }
}
