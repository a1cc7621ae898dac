package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * The keys and values of all sequences of a model: pages of {@link KeyValueLayout#POSITIONS}
 * positions, one for each block, out of one pool, each as large as its block's heads need. A page
 * may belong to several sequences, which have the same tokens up to its end; who writes into a
 * shared one gets a copy first. Blocks with a window let go of the pages that lie before it.
 * Sequences may be opened and closed by any thread.
 */
public final class KvCache implements AutoCloseable {

  /**
   * Positions before its window that a block keeps, so that a sequence can be taken back by as
   * many.
   */
  static final int BACK = KeyValueLayout.POSITIONS;

  /**
   * @param type of keys and values: F16, BF16 or F32
   * @param budget bytes of all pages at most
   * @param prefixes whether pages are kept for later sequences that begin alike, as long as the
   *     budget allows
   */
  public record Settings(DType type, long budget, boolean prefixes) {

    /** Float16 without a budget; nothing is kept when a sequence is closed. */
    public static final Settings DEFAULT = new Settings(DType.F16, Long.MAX_VALUE, false);

    public Settings of(DType other) {
      return new Settings(other, budget, prefixes);
    }

    public Settings within(long bytes) {
      return new Settings(type, bytes, prefixes);
    }

    public Settings withPrefixes() {
      return new Settings(type, budget, true);
    }
  }

  private final List<Rope> ropes;
  private final List<KeyValueLayout> layouts;
  private final long[] pageBytes;
  private final PagePool pool;
  private final int[] windows;
  private final PrefixIndex shortPrefixes;
  private final PrefixIndex longPrefixes;

  private KvCache(ModelConfig config, int[] windows, DType type, long budget, boolean prefixes) {
    ropes =
        IntStream.range(0, config.blocks())
            .mapToObj(config::rope)
            .filter(Objects::nonNull)
            .distinct()
            .toList();
    this.windows = windows;
    layouts = layouts(config, type);
    pageBytes = pageBytes(layouts, windows);
    pool = new PagePool(pageBytes, budget);
    shortPrefixes = prefixes ? new PrefixIndex(pool) : null;
    longPrefixes = prefixes ? new PrefixIndex(pool) : null;
  }

  static KvCache of(ModelConfig config, Settings settings) {
    return new KvCache(
        config, windows(config), settings.type(), settings.budget(), settings.prefixes());
  }

  /**
   * For attention in both directions, where all of a text is read at once: keys and values stay
   * where they are and are kept in no page.
   */
  static KvCache ofNone(ModelConfig config) {
    return new KvCache(config, new int[0], DType.F32, Long.MAX_VALUE, false);
  }

  private static List<KeyValueLayout> layouts(ModelConfig config, DType type) {
    return IntStream.range(0, config.blocks())
        .mapToObj(config::widths)
        .<KeyValueLayout>map(
            widths ->
                new FloatKeyValues(
                    type, config.keyValueHeads(), widths.keySize(), widths.valueSize()))
        .toList();
  }

  /**
   * Of each block's pages. Blocks with other windows than others let go of pages at other times;
   * then all pages are as the widest block's, so that one that is free serves any block.
   */
  private static long[] pageBytes(List<KeyValueLayout> layouts, int[] windows) {
    var bytes = new long[windows.length];
    Arrays.setAll(bytes, block -> layouts.get(block).bytes());
    if (Arrays.stream(windows).distinct().count() > 1) {
      Arrays.fill(bytes, Arrays.stream(bytes).max().orElseThrow());
    }
    return bytes;
  }

  private static int[] windows(ModelConfig config) {
    var windows = new int[config.blocks()];
    for (int block = 0; block < windows.length; block++) {
      windows[block] = config.window(block).orElse(Integer.MAX_VALUE);
    }
    return windows;
  }

  /**
   * The most bytes that one sequence takes, shared with no other.
   *
   * @param positions that it has in the end
   * @param pass most tokens that are run at once, which windows must hold besides their own
   */
  public static long bytes(ModelConfig config, DType type, int positions, int pass) {
    var windows = windows(config);
    return bytes(windows, pageBytes(layouts(config, type), windows), positions, pass);
  }

  /** The same of a sequence of this cache. */
  public long bytes(int positions, int pass) {
    return bytes(windows, pageBytes, positions, pass);
  }

  private static long bytes(int[] windows, long[] pageBytes, int positions, int pass) {
    long most = 0;
    for (int length = 0; length < positions; length += Math.min(pass, positions - length)) {
      int end = length + Math.min(pass, positions - length);
      long bytes = 0;
      for (int block = 0; block < windows.length; block++) {
        int pages = Math.ceilDiv(end, KeyValueLayout.POSITIONS) - firstPage(windows[block], length);
        bytes = Math.addExact(bytes, Math.multiplyExact(pages, pageBytes[block]));
      }
      most = Math.max(most, bytes);
    }
    return most;
  }

  /** The first page that a block needs when a sequence of so many positions goes on. */
  static int firstPage(int window, int length) {
    long first = (long) length + 1 - window - BACK;
    return (int) Math.max(0, first) / KeyValueLayout.POSITIONS;
  }

  /**
   * A sequence without tokens.
   *
   * @param planned tokens that it is expected to have in the end, 0 where nothing is known
   */
  public Sequence open(int planned) {
    return new Sequence(this, planned);
  }

  /**
   * A sequence that begins with as much of a text as the cache holds, whole pages of it, and not
   * the text's last token, which the model has yet to read.
   */
  public Sequence open(int[] text, int planned) {
    var sequence = new Sequence(this, Math.max(planned, text.length));
    var index = prefixes(sequence.planned());
    if (index != null) {
      var pages = new int[text.length / KeyValueLayout.POSITIONS][];
      synchronized (this) {
        int found = index.find(text, text.length - 1, pages);
        if (found > 0) {
          sequence.begin(text, found, pages);
        }
      }
    }
    return sequence;
  }

  /** Bytes of pages that sequences or prefixes hold. */
  public synchronized long usedBytes() {
    return pool.used();
  }

  /** Bytes of pages that only prefixes of closed sequences may hold, and give up when needed. */
  public synchronized long prefixBytes() {
    int pages = shortPrefixes == null ? 0 : shortPrefixes.size() + longPrefixes.size();
    return pages * Arrays.stream(pageBytes).sum();
  }

  /**
   * Bytes of keys and values that a token reads when tokens come one at a time, all blocks', on
   * average over the tokens at positions {@code [from, to)}: its own and those before it that are
   * in its window.
   */
  public double bytesReadPerToken(int from, int to) {
    double bytes = 0;
    for (int block = 0; block < windows.length; block++) {
      double positions = 0;
      for (int position = from; position < to; position++) {
        positions += Math.min(position + 1, windows[block]);
      }
      bytes += positions * layouts.get(block).bytes() / KeyValueLayout.POSITIONS;
    }
    return bytes / (to - from);
  }

  /** For people, for example {@code float16}. */
  public String label() {
    return layouts.getFirst().label();
  }

  KeyValueLayout layout(int block) {
    return layouts.get(block);
  }

  /** All pages by number; another array after sequences have grown. */
  MemorySegment[] pages() {
    return pool.pages();
  }

  int blocks() {
    return windows.length;
  }

  int window(int block) {
    return windows[block];
  }

  /** Whether keys of sequences of these lengths are turned alike; a length of 0 is a short one. */
  boolean sameTurns(int length, int other) {
    for (int i = 0; i < ropes.size(); i++) {
      if (!ropes.get(i).sameFrequencies(length, other)) {
        return false;
      }
    }
    return true;
  }

  private PrefixIndex prefixes(int planned) {
    return sameTurns(planned, 1) ? shortPrefixes : longPrefixes;
  }

  /** Full pages become what later sequences can begin with. */
  synchronized void publish(Sequence sequence, int[] tokens, int pages) {
    var index = prefixes(sequence.planned());
    if (index != null) {
      index.add(tokens, pages, sequence);
    }
  }

  boolean keepsPrefixes() {
    return shortPrefixes != null;
  }

  /**
   * Makes sure that every block can take so many pages.
   *
   * @param positions that they are for
   */
  void require(int pages, int positions) {
    while (!pool.has(pages) && evict()) {
      // One page of positions after the other.
    }
    if (!pool.has(pages)) {
      throw new LatheException(
          ("the key-value cache is full: %,d more positions take %,d bytes, and %,d of its %,d bytes"
                  + " are free; raise its budget, or close sequences")
              .formatted(
                  positions,
                  pages * Arrays.stream(pageBytes).sum(),
                  pool.budget() - pool.used(),
                  pool.budget()));
    }
    pool.prepare(pages);
  }

  private boolean evict() {
    return shortPrefixes != null && (shortPrefixes.evict() || longPrefixes.evict());
  }

  int take(int block) {
    return pool.take(block);
  }

  void share(int page) {
    pool.share(page);
  }

  void release(int page) {
    pool.release(page);
  }

  /** The same page where nobody else holds it, else a copy, which takes its place. */
  int own(int block, int page) {
    if (pool.holders(page) == 1) {
      return page;
    }
    int copy = pool.take(block);
    var pages = pool.pages();
    layouts.get(block).copy(pages[page], pages[copy]);
    pool.release(page);
    return copy;
  }

  boolean shared(int page) {
    return pool.holders(page) > 1;
  }

  @Override
  public void close() {
    pool.close();
  }
}
