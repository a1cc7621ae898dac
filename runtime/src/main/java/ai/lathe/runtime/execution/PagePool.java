package ai.lathe.runtime.execution;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Pages of one size outside the heap, counted by who holds them. Memory is taken from the machine
 * in larger pieces, when it is first needed, and given back when the pool is closed. Callers
 * exclude each other.
 */
final class PagePool implements AutoCloseable {

  /** Memory that is taken at once, where pages are not larger. */
  private static final long PIECE = 4 << 20;

  private static final int ALIGNMENT = 64;

  private final Arena arena = Arena.ofShared();
  private final long pageBytes;
  private final int capacity;
  private volatile MemorySegment[] pages = new MemorySegment[0];
  private int[] holders = new int[0];
  private int[] free = new int[0];
  private int frees;

  /**
   * @param budget bytes of all pages at most
   */
  PagePool(long pageBytes, long budget) {
    this.pageBytes = pageBytes;
    this.capacity = (int) Math.min(budget / pageBytes, Integer.MAX_VALUE - 8);
  }

  /** Of a page. */
  long pageBytes() {
    return pageBytes;
  }

  /** Pages that there can be. */
  int capacity() {
    return capacity;
  }

  /** Pages that somebody holds. */
  int used() {
    return pages.length - frees;
  }

  /** Pages that can still be taken. */
  int available() {
    return capacity - used();
  }

  /** By number; grows, and then is another array. */
  MemorySegment[] pages() {
    return pages;
  }

  /** A page with one holder; it holds anything. There must be one {@link #available}. */
  int take() {
    if (frees == 0) {
      grow();
    }
    int page = free[--frees];
    holders[page] = 1;
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
      free[frees++] = page;
    }
  }

  /** How many hold a page. */
  int holders(int page) {
    return holders[page];
  }

  private void grow() {
    int old = pages.length;
    if (old == capacity) {
      throw new IllegalStateException("all " + capacity + " pages are taken");
    }
    int more = (int) Math.min(Math.max(1, PIECE / pageBytes), capacity - old);
    MemorySegment piece;
    try {
      piece = arena.allocate(more * pageBytes, ALIGNMENT);
    } catch (OutOfMemoryError e) {
      throw new LatheException(
          "the machine has no memory for a larger key-value cache: it holds %,d bytes and needs %,d more"
              .formatted(old * pageBytes, more * pageBytes),
          e);
    }
    var grown = Arrays.copyOf(pages, old + more);
    holders = Arrays.copyOf(holders, old + more);
    free = Arrays.copyOf(free, old + more);
    for (int i = 0; i < more; i++) {
      grown[old + i] = piece.asSlice(i * pageBytes, pageBytes);
      // The first is taken first.
      free[more - 1 - i] = old + i;
    }
    frees = more;
    pages = grown;
  }

  @Override
  public void close() {
    arena.close();
  }
}
