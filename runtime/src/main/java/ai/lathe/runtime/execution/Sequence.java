package ai.lathe.runtime.execution;

import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;

/**
 * One text that a decoder is reading or writing: its tokens so far, and the pages that hold their
 * keys and values. For one thread at a time.
 */
public final class Sequence implements AutoCloseable {

  private static final int POSITIONS = KeyValueLayout.POSITIONS;

  private final KvCache cache;
  private final int planned;

  /** Page numbers, {@code [block][page of positions]}; those before {@link #first} are let go. */
  private final int[][] tables;

  private final int[] first;
  private int pages;
  private int[] tokens = new int[POSITIONS];
  private int length;

  /** Full pages that {@link KvCache#publish} has seen. */
  private int published;

  private boolean closed;

  Sequence(KvCache cache, int planned) {
    this.cache = cache;
    this.planned = planned;
    tables = new int[cache.blocks()][4];
    first = new int[cache.blocks()];
  }

  /** Tokens that the model has read. */
  public int length() {
    return length;
  }

  /** One of them. */
  public int token(int position) {
    return tokens[position];
  }

  /** Tokens that it is expected to have in the end, or 0 where nothing is known. */
  int planned() {
    return planned;
  }

  /**
   * The shortest, other than empty, that {@link #truncate} can make it: what lies before the
   * windows of some blocks is gone.
   */
  public int earliest() {
    int earliest = 0;
    for (int block = 0; block < first.length; block++) {
      if (first[block] > 0) {
        earliest = Math.max(earliest, first[block] * POSITIONS + cache.window(block) - 1);
      }
    }
    return Math.min(earliest, length);
  }

  /**
   * Forgets all tokens from {@code to} on.
   *
   * @throws LatheException where this is less than {@link #earliest} and not 0
   */
  public void truncate(int to) {
    if (to >= length) {
      return;
    }
    if (to < 0) {
      throw new IllegalArgumentException("to " + to + " tokens");
    }
    if (to > 0 && to < earliest()) {
      throw new LatheException(
          "a sequence of %,d tokens cannot be taken back to %,d, only to %,d: its windows have moved"
                  .formatted(length, to, earliest())
              + " on; open it anew");
    }
    synchronized (cache) {
      release(Math.ceilDiv(to, POSITIONS));
    }
    if (to == 0) {
      Arrays.fill(first, 0);
    }
    length = to;
    published = Math.min(published, to / POSITIONS);
  }

  /** Lets go of pages from {@code from} on. */
  private void release(int from) {
    for (int block = 0; block < tables.length; block++) {
      for (int page = Math.max(from, first[block]); page < pages; page++) {
        cache.release(tables[block][page]);
      }
    }
    pages = Math.min(pages, from);
  }

  /**
   * Another sequence with the same tokens. Pages are shared until one of the two writes into them.
   */
  public Sequence fork() {
    var copy = new Sequence(cache, planned);
    synchronized (cache) {
      copy.pages = Math.ceilDiv(length, POSITIONS);
      for (int block = 0; block < tables.length; block++) {
        copy.first[block] = first[block];
        copy.tables[block] = Arrays.copyOf(tables[block], Math.max(4, copy.pages));
        for (int page = first[block]; page < copy.pages; page++) {
          cache.share(tables[block][page]);
        }
      }
    }
    copy.tokens = tokens.clone();
    copy.length = length;
    copy.published = published;
    return copy;
  }

  /** Begins with pages that others have filled, {@code [page of positions][block]}. */
  void begin(int[] text, int positions, int[][] found) {
    length = positions;
    pages = positions / POSITIONS;
    published = pages;
    tokens = Arrays.copyOf(text, Math.max(POSITIONS, positions));
    for (int block = 0; block < tables.length; block++) {
      tables[block] = new int[pages + 4];
      first[block] = KvCache.firstPage(cache.window(block), length);
      for (int page = first[block]; page < pages; page++) {
        tables[block][page] = found[page][block];
        cache.share(found[page][block]);
      }
    }
  }

  /**
   * Room for so many more tokens.
   *
   * @throws LatheException where the cache has none; the sequence is as it was
   */
  void reserve(int more) {
    int end = Math.addExact(length, more);
    if (closed) {
      throw new IllegalStateException("the sequence is closed");
    }
    if (!cache.sameTurns(planned, Math.max(planned, end))) {
      throw new LatheException(
          ("a sequence was opened for %,d tokens and comes to %,d: this model turns the keys of so"
                  + " long ones otherwise; open it for as many as it may have")
              .formatted(planned, end));
    }
    int needed = Math.ceilDiv(end, POSITIONS);
    int full = length / POSITIONS;
    boolean publishes = cache.keepsPrefixes() && full > published;
    // Within a page that is its own there is nothing to do, which is nearly every token of a text.
    synchronized (cache) {
      if (!publishes && needed <= pages && !shared(full)) {
        return;
      }
      if (publishes) {
        cache.publish(this, tokens, full);
        published = full;
      }
      leave();
      boolean copies = shared(full);
      cache.require(Math.max(0, needed - pages) + (copies ? 1 : 0), more);
      for (int block = 0; block < tables.length; block++) {
        if (needed > tables[block].length) {
          tables[block] = Arrays.copyOf(tables[block], Math.max(needed, 2 * tables[block].length));
        }
        if (copies) {
          tables[block][full] = cache.own(block, tables[block][full]);
        }
        for (int page = pages; page < needed; page++) {
          tables[block][page] = cache.take(block);
        }
      }
      pages = Math.max(pages, needed);
    }
  }

  /** Whether others may read a page that is written next. */
  private boolean shared(int page) {
    for (int block = 0; page < pages && block < tables.length; block++) {
      if (cache.shared(tables[block][page])) {
        return true;
      }
    }
    return false;
  }

  /** Lets go of what lies before the windows. */
  private void leave() {
    for (int block = 0; block < tables.length; block++) {
      int keep = Math.min(KvCache.firstPage(cache.window(block), length), pages);
      for (; first[block] < keep; first[block]++) {
        cache.release(tables[block][first[block]]);
      }
    }
  }

  /** The pages of all blocks for one page of positions; null where one is gone. */
  int[] pagesAt(int page) {
    var found = new int[tables.length];
    for (int block = 0; block < found.length; block++) {
      if (page < first[block] || page >= pages) {
        return null;
      }
      found[block] = tables[block][page];
    }
    return found;
  }

  /** The model has read so many more tokens, for which there is room. */
  void advance(int[] of, int from, int count) {
    if (length + count > tokens.length) {
      tokens = Arrays.copyOf(tokens, Math.max(length + count, 2 * tokens.length));
    }
    System.arraycopy(of, from, tokens, length, count);
    length += count;
  }

  KvCache cache() {
    return cache;
  }

  /** The pages of one block, one after the other. */
  int[] table(int block) {
    return tables[block];
  }

  /** Gives its pages back, or leaves them to later sequences that begin alike. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    synchronized (cache) {
      if (cache.keepsPrefixes()) {
        cache.publish(this, tokens, length / POSITIONS);
      }
      release(0);
    }
    length = 0;
  }
}
