package ai.lathe.runtime.execution;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Pages outside the heap, counted by who holds them; those of one block are of one size. Memory is
 * taken from the machine in larger pieces, when it is first needed, cut into pages of the sizes
 * that are needed together, and given back when the pool is closed. A page keeps its size: so that
 * what is free can be used, blocks of different sizes take and release together. Callers exclude
 * each other.
 */
final class PagePool implements AutoCloseable {

  /** Memory that is taken at once, where what is needed is not more. */
  private static final long PIECE = 4 << 20;

  private static final int ALIGNMENT = 64;
  private static final int MOST_PAGES = Integer.MAX_VALUE - 8;

  /** Pages of one size. */
  private static final class Kind {
    private final long bytes;

    /** Blocks that have pages of this size. */
    private int blocks;

    private int[] free = new int[0];
    private int frees;

    Kind(long bytes) {
      this.bytes = bytes;
    }

    /** Pages that are not there when every block takes so many. */
    private long missing(int each) {
      return Math.max(0, (long) each * blocks - frees);
    }
  }

  private final Arena arena = Arena.ofShared();
  private final long budget;

  /** In the order of blocks, and each once. */
  private final Kind[] kindOfBlock;

  private final Kind[] kinds;
  private volatile MemorySegment[] pages = new MemorySegment[0];
  private Kind[] kindOfPage = new Kind[0];
  private int[] holders = new int[0];
  private long held;
  private long used;

  /**
   * @param pageBytes of each block's pages, multiples of 64
   * @param budget bytes of all pages at most
   */
  PagePool(long[] pageBytes, long budget) {
    this.budget = budget;
    kindOfBlock = new Kind[pageBytes.length];
    var found = new Kind[pageBytes.length];
    int count = 0;
    for (int block = 0; block < pageBytes.length; block++) {
      int i = 0;
      while (i < count && found[i].bytes != pageBytes[block]) {
        i++;
      }
      if (i == count) {
        found[count++] = new Kind(pageBytes[block]);
      }
      found[i].blocks++;
      kindOfBlock[block] = found[i];
    }
    kinds = Arrays.copyOf(found, count);
  }

  /** Bytes that there can be. */
  long budget() {
    return budget;
  }

  /** Bytes of pages that somebody holds. */
  long used() {
    return used;
  }

  /** Whether every block can take so many more. */
  boolean has(int each) {
    long bytes = 0;
    long count = pages.length;
    for (int i = 0; i < kinds.length; i++) {
      long missing = kinds[i].missing(each);
      count += missing;
      bytes += missing * kinds[i].bytes;
    }
    return bytes <= budget - held && count <= MOST_PAGES;
  }

  /** Makes so many for every block, which it {@link #has}. */
  void prepare(int each) {
    long bytes = 0;
    int count = 0;
    for (int i = 0; i < kinds.length; i++) {
      int missing = (int) kinds[i].missing(each);
      count += missing;
      bytes += missing * kinds[i].bytes;
    }
    if (count > 0) {
      long times = Math.min(PIECE / bytes, Math.min((budget - held) / bytes, MOST_PAGES / count));
      grow(each, count, bytes, (int) Math.max(1, times));
    }
  }

  /** So many times what is missing. */
  private void grow(int each, int count, long bytes, int times) {
    MemorySegment piece;
    try {
      piece = arena.allocate(bytes * times, ALIGNMENT);
    } catch (OutOfMemoryError e) {
      throw new LatheException(
          "the machine has no memory for a larger key-value cache: it holds %,d bytes and needs %,d more"
              .formatted(held, bytes * times),
          e);
    }
    int page = pages.length;
    int end = page + count * times;
    var grown = Arrays.copyOf(pages, end);
    holders = Arrays.copyOf(holders, end);
    kindOfPage = Arrays.copyOf(kindOfPage, end);
    long at = 0;
    for (var kind : kinds) {
      int more = (int) kind.missing(each) * times;
      if (more == 0) {
        continue;
      }
      // There is room for all of the kind's pages, so that releasing one never needs any.
      kind.free = Arrays.copyOf(kind.free, kind.free.length + more);
      // What was free is taken after what is new, of which the first is taken first.
      for (int i = 0; i < more; i++, at += kind.bytes, page++) {
        grown[page] = piece.asSlice(at, kind.bytes);
        kindOfPage[page] = kind;
        kind.free[kind.frees + more - 1 - i] = page;
      }
      kind.frees += more;
    }
    held += bytes * times;
    pages = grown;
  }

  /** By number; grows, and then is another array. */
  MemorySegment[] pages() {
    return pages;
  }

  /** A page with one holder; it holds anything. It must have been {@link #prepare}d. */
  int take(int block) {
    var kind = kindOfBlock[block];
    if (kind.frees == 0) {
      throw new IllegalStateException("no page of " + kind.bytes + " bytes is free");
    }
    int page = kind.free[--kind.frees];
    holders[page] = 1;
    used += kind.bytes;
    return page;
  }

  /** One more holds a page. */
  void share(int page) {
    holders[page]++;
  }

  /** One less does. */
  void release(int page) {
    if (holders[page] < 1) {
      throw new IllegalStateException("page " + page + " is free already");
    }
    if (--holders[page] == 0) {
      var kind = kindOfPage[page];
      kind.free[kind.frees++] = page;
      used -= kind.bytes;
    }
  }

  /** How many hold a page. */
  int holders(int page) {
    return holders[page];
  }

  @Override
  public void close() {
    arena.close();
  }
}
