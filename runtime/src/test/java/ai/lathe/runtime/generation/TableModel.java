package ai.lathe.runtime.generation;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A model whose logits follow from all tokens before, by mixing them into a seed: cheap, exact, and
 * different as soon as one token was read twice, left out or taken from another sequence.
 */
final class TableModel implements BatchModel {

  private final int vocabulary;
  private final int context;
  private final int batchTokens;
  private final long seed;
  private final float spread;

  /** Shares of the logits that follow from another seed: two models that are alike. */
  private final float noise;

  private final List<float[]> rows = new ArrayList<>();
  private final List<Runnable> pending = new ArrayList<>();
  private int pendingTokens;
  int open;
  final List<Integer> batches = new ArrayList<>();
  RuntimeException broken;

  TableModel(int vocabulary, int context, int batchTokens, long seed, float spread, float noise) {
    this.vocabulary = vocabulary;
    this.context = context;
    this.batchTokens = batchTokens;
    this.seed = seed;
    this.spread = spread;
    this.noise = noise;
  }

  /** A byte a token. */
  @Override
  public long cacheBytes(int tokens) {
    return tokens;
  }

  private final class Memory implements State {
    private int[] tokens = new int[0];

    Memory() {
      open++;
    }

    @Override
    public int length() {
      return tokens.length;
    }

    @Override
    public void truncate(int to) {
      tokens = Arrays.copyOf(tokens, Math.min(to, tokens.length));
    }

    @Override
    public void close() {
      open--;
    }
  }

  @Override
  public int vocabulary() {
    return vocabulary;
  }

  @Override
  public int context() {
    return context;
  }

  @Override
  public int batchTokens() {
    return batchTokens;
  }

  @Override
  public State open(int tokens) {
    return new Memory();
  }

  @Override
  public void begin() {
    rows.clear();
    pending.clear();
    pendingTokens = 0;
  }

  @Override
  public void add(State state, int[] tokens, int from, int to, int wanted) {
    var memory = (Memory) state;
    if (memory.tokens.length != from || to > context) {
      throw new IllegalStateException("token " + from + " after " + memory.tokens.length);
    }
    pendingTokens += to - from;
    if (pendingTokens > batchTokens) {
      throw new IllegalStateException(pendingTokens + " tokens in a batch");
    }
    pending.add(
        () -> {
          memory.tokens = Arrays.copyOf(tokens, to);
          for (int length = to - wanted + 1; length <= to; length++) {
            rows.add(logits(Arrays.copyOf(tokens, length)));
          }
        });
  }

  @Override
  public void run() {
    if (broken != null) {
      throw broken;
    }
    batches.add(pendingTokens);
    pending.forEach(Runnable::run);
  }

  @Override
  public MemorySegment logits(int wanted) {
    if (wanted != rows.size()) {
      throw new IllegalStateException(wanted + " of " + rows.size() + " rows");
    }
    var memory = Arena.ofAuto().allocate(Math.max(4, 4L * wanted * vocabulary));
    for (int i = 0; i < wanted; i++) {
      MemorySegment.copy(
          rows.get(i), 0, memory, ValueLayout.JAVA_FLOAT, 4L * i * vocabulary, vocabulary);
    }
    return memory;
  }

  float[] logits(int[] tokens) {
    var random = new SplittableRandom(Arrays.hashCode(tokens) * 31L + seed);
    var other = new SplittableRandom(Arrays.hashCode(tokens) * 37L + seed + 1);
    var logits = new float[vocabulary];
    for (int i = 0; i < vocabulary; i++) {
      logits[i] = (float) (random.nextDouble() * spread + other.nextDouble() * noise);
    }
    return logits;
  }
}
