package ai.lathe.runtime.execution;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Tokens of one or more sequences that run through the model together. One object may serve many
 * passes.
 */
public final class Batch {

  /** For which tokens of a chunk logits are wanted. */
  public enum Wanted {
    NONE,
    LAST,
    ALL
  }

  /** A sequence's part; used again in later batches, so that a token costs no allocation. */
  static final class Chunk {
    private Sequence sequence;
    private int row;
    private int count;
    private int position;
    private Wanted wanted;

    Sequence sequence() {
      return sequence;
    }

    /** Of its first token in the batch. */
    int row() {
      return row;
    }

    /** Tokens. */
    int count() {
      return count;
    }

    /** Of its first token in the sequence. */
    int position() {
      return position;
    }

    Wanted wanted() {
      return wanted;
    }
  }

  private final List<Chunk> chunks = new ArrayList<>();
  private int used;
  private int[] tokens = new int[16];
  private int[] positions = new int[16];
  private int count;
  private int wanted;

  public Batch clear() {
    used = 0;
    count = 0;
    wanted = 0;
    return this;
  }

  /** Tokens {@code [from, to)} of an array, the next ones of a sequence; once a sequence. */
  public Batch add(Sequence sequence, int[] of, int from, int to, Wanted logits) {
    int n = to - from;
    if (count + n > tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(count + n, 2 * tokens.length));
      positions = Arrays.copyOf(positions, tokens.length);
    }
    System.arraycopy(of, from, tokens, count, n);
    for (int i = 0; i < n; i++) {
      positions[count + i] = sequence.length() + i;
    }
    var chunk = next();
    chunk.sequence = sequence;
    chunk.row = count;
    chunk.count = n;
    chunk.position = sequence.length();
    chunk.wanted = logits;
    count += n;
    wanted +=
        switch (logits) {
          case NONE -> 0;
          case LAST -> 1;
          case ALL -> n;
        };
    return this;
  }

  /** Tokens of all chunks. */
  public int count() {
    return count;
  }

  /** Rows of logits that {@link Decoder#forward} will give, in the order of the chunks. */
  public int wanted() {
    return wanted;
  }

  private Chunk next() {
    if (used == chunks.size()) {
      chunks.add(new Chunk());
    }
    return chunks.get(used++);
  }

  int chunks() {
    return used;
  }

  Chunk chunk(int i) {
    return chunks.get(i);
  }

  /** A chunk's tokens have been read. */
  void advance(int i) {
    var chunk = chunks.get(i);
    chunk.sequence.advance(tokens, chunk.row, chunk.count);
  }

  int token(int row) {
    return tokens[row];
  }

  int position(int row) {
    return positions[row];
  }
}
