package ai.lathe.runtime.execution;

import static ai.lathe.runtime.kernel.attention.KeyValueLayout.POSITIONS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.Heads;
import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Shares attention out among threads, for all blocks of a model, one after the other. A piece of
 * work is a key-value head of a sequence, with the query heads that read it, and either some of
 * many tokens or, for few tokens, some of the positions; parts of the latter are summed in the
 * order of positions. How work is cut follows from sequences alone, so results are the same for any
 * number of threads.
 */
final class AttentionWork {

  /** Query heads times tokens of a piece. */
  private static final int ROWS = 128;

  /** Chunks of no more rows are cut by positions. */
  private static final int FEW_ROWS = 32;

  /** Positions of a piece, where it is cut by them. */
  private static final int SPAN = 8 * POSITIONS;

  /** Passes of fewer tokens are put in their pages by one thread: sharing that out costs more. */
  private static final int SHARED = 4;

  private final Workers workers;
  private final KernelProvider provider;
  private final KvCache cache;

  /** Whether keys and values are kept; else every chunk is a whole text. */
  private final boolean inPages;

  private final Map<AttentionShape, AttentionKernel[]> kernels = new HashMap<>();
  private final AttentionTask[] tasks;
  private final Rotary.Row[] turns;
  private final AtomicInteger next = new AtomicInteger();
  private final Workers.Task placing = (part, _) -> placeAll(part);
  private final Workers.Task attending = this::attendAll;
  private final Workers.Task merging = (_, _) -> mergeAll();

  /** First piece of each chunk, and behind the last one's. */
  private int[] pieces = new int[2];

  /** First page of positions of each chunk among all that are written. */
  private int[] runs = new int[2];

  /** Where each chunk's parts begin; -1 where it is not cut by positions. */
  private int[] partAt = new int[1];

  private float[] parts = new float[0];
  private boolean inParts;
  private volatile boolean unfit;

  private Attention attention;
  private AttentionKernel[] kernel;
  private Batch batch;
  private Heads query;
  private Heads key;
  private Heads value;
  private MemorySegment out;
  private MemorySegment[] pages;

  AttentionWork(KernelProvider provider, KvCache cache, Workers workers) {
    this.workers = workers;
    this.provider = provider;
    this.cache = cache;
    inPages = cache.blocks() > 0;
    tasks = new AttentionTask[workers.count()];
    Arrays.setAll(tasks, _ -> new AttentionTask());
    turns = new Rotary.Row[workers.count()];
    Arrays.setAll(turns, _ -> new Rotary.Row());
  }

  /** One for each thread; blocks of one shape have the same. */
  AttentionKernel[] kernels(AttentionShape shape, int block) {
    return kernels.computeIfAbsent(
        shape,
        _ -> {
          var own = new AttentionKernel[tasks.length];
          Arrays.setAll(own, _ -> provider.attention(shape, cache.layout(block)));
          return own;
        });
  }

  /**
   * Norms and turns queries and keys where they stand, keeps keys and values, and mixes values.
   *
   * @throws LatheException where a key or value is beyond what the cache can hold
   */
  void run(
      Attention block, Batch tokens, Heads queries, Heads keys, Heads values, MemorySegment mixed) {
    attention = block;
    batch = tokens;
    query = queries;
    key = keys;
    value = values;
    out = mixed;
    pages = cache.pages();
    kernel = block.kernels();
    block.prepare(tokens);
    cut();
    if (inPages || block.turns()) {
      place();
    }
    next.set(0);
    workers.run(attending);
    if (inParts) {
      next.set(0);
      workers.run(merging);
    }
  }

  private void place() {
    unfit = false;
    next.set(0);
    if (batch.count() < SHARED) {
      placeAll(0);
    } else {
      workers.run(placing);
    }
    if (unfit) {
      refuse();
    }
  }

  private int heads() {
    return attention.shape().keyValueHeads();
  }

  private void cut() {
    int chunks = batch.chunks();
    if (chunks >= pieces.length) {
      pieces = new int[chunks + 1];
      runs = new int[chunks + 1];
      partAt = new int[chunks];
    }
    int used = 0;
    for (int i = 0; i < chunks; i++) {
      var chunk = batch.chunk(i);
      int rows = chunk.count() * attention.shape().group();
      int spans = spans(chunk);
      pieces[i + 1] = pieces[i] + heads() * (spans > 1 ? spans : tiles(chunk));
      int end = chunk.position() + chunk.count();
      runs[i + 1] = runs[i] + Math.ceilDiv(end, POSITIONS) - chunk.position() / POSITIONS;
      partAt[i] = spans > 1 ? used : -1;
      used += spans > 1 ? heads() * spans * rows * partSize() : 0;
    }
    inParts = used > 0;
    if (used > parts.length) {
      parts = new float[Math.max(used, 2 * parts.length)];
    }
  }

  private boolean few(Batch.Chunk chunk) {
    return chunk.count() * attention.shape().group() <= FEW_ROWS;
  }

  private int tileTokens() {
    return Math.max(1, ROWS / attention.shape().group());
  }

  private int tiles(Batch.Chunk chunk) {
    return Math.ceilDiv(chunk.count(), tileTokens());
  }

  private int firstSpan(Batch.Chunk chunk) {
    return attention.shape().from(chunk.position()) / SPAN;
  }

  /** Pieces of one head, where they are cut by positions. */
  private int spans(Batch.Chunk chunk) {
    if (!few(chunk)) {
      return 1;
    }
    return Math.ceilDiv(chunk.position() + chunk.count(), SPAN) - firstSpan(chunk);
  }

  private int partSize() {
    return attention.shape().valueSize() + 2;
  }

  private int[] table(Batch.Chunk chunk) {
    return chunk.sequence().table(attention.block());
  }

  /** The chunk that a piece is of. */
  private static int chunkOf(int[] firsts, int piece) {
    int i = 0;
    while (piece >= firsts[i + 1]) {
      i++;
    }
    return i;
  }

  private void placeAll(int part) {
    int heads = heads();
    int all = runs[batch.chunks()] * heads;
    for (int piece = next.getAndIncrement(); piece < all; piece = next.getAndIncrement()) {
      int i = chunkOf(runs, piece / heads);
      var chunk = batch.chunk(i);
      int page = chunk.position() / POSITIONS + piece / heads - runs[i];
      place(chunk, page, piece % heads, turns[part]);
    }
  }

  /** What of a chunk belongs into one page. */
  private void place(Batch.Chunk chunk, int page, int head, Rotary.Row row) {
    int from = Math.max(chunk.position(), page * POSITIONS);
    int to = Math.min(chunk.position() + chunk.count(), (page + 1) * POSITIONS);
    int first = from - chunk.position();
    attention.turn(chunk, first, to - chunk.position(), query, key, head, row);
    if (!inPages) {
      return;
    }
    var target = pages[table(chunk)[page]];
    var layout = cache.layout(attention.block());
    int token = chunk.row() + first;
    if (!layout.store(key, value, token, to - from, head, target, from % POSITIONS)) {
      unfit = true;
    }
  }

  /** NaN and infinity are for the probe to name; a number too large is the cache's own limit. */
  private void refuse() {
    var shape = attention.shape();
    float largest = Math.max(largest(key, shape.keySize()), largest(value, shape.valueSize()));
    if (largest <= Float.MAX_VALUE) {
      throw new LatheException(
          "block %d has keys or values of %.3g, more than a key-value cache in %s can hold; keep it in float32"
              .formatted(attention.block(), largest, cache.label()));
    }
  }

  private float largest(Heads heads, int size) {
    float largest = 0;
    for (int row = 0; row < batch.count(); row++) {
      for (int head = 0; head < heads.count(); head++) {
        for (int i = 0; i < size; i++) {
          float x = heads.memory().getAtIndex(JAVA_FLOAT, heads.at(row, head) + i);
          largest = Math.max(largest, Math.abs(x));
        }
      }
    }
    return largest;
  }

  private void attendAll(int part, int threads) {
    var task = tasks[part];
    int all = pieces[batch.chunks()];
    for (int piece = next.getAndIncrement(); piece < all; piece = next.getAndIncrement()) {
      int i = chunkOf(pieces, piece);
      set(task, i, piece - pieces[i]);
      kernel[part].attend(task);
    }
  }

  private void set(AttentionTask task, int i, int piece) {
    var chunk = batch.chunk(i);
    int head = piece % heads();
    int nth = piece / heads();
    task.queries = query;
    task.row = chunk.row();
    task.position = chunk.position();
    task.tokens = chunk.count();
    task.length = chunk.position() + chunk.count();
    task.head = head;
    task.from = 0;
    task.to = task.length;
    if (inPages) {
      task.pages = pages;
      task.table = table(chunk);
    } else {
      task.keys = key;
      task.values = value;
      task.first = chunk.row();
    }
    task.out = out;
    task.part = null;
    if (partAt[i] < 0) {
      // Later tokens see more: they come first, so that what is left in the end is small.
      int first = (tiles(chunk) - 1 - nth) * tileTokens();
      task.row += first;
      task.position += first;
      task.tokens = Math.min(tileTokens(), chunk.count() - first);
    } else {
      int span = firstSpan(chunk) + nth;
      task.from = span * SPAN;
      task.to = Math.min(task.length, task.from + SPAN);
      task.part = parts;
      task.partAt = partAt(chunk, i, head, nth);
    }
  }

  private int partAt(Batch.Chunk chunk, int i, int head, int nth) {
    int rows = chunk.count() * attention.shape().group();
    return partAt[i] + (head * spans(chunk) + nth) * rows * partSize();
  }

  private void mergeAll() {
    int heads = heads();
    int all = batch.chunks() * heads;
    for (int piece = next.getAndIncrement(); piece < all; piece = next.getAndIncrement()) {
      int i = piece / heads;
      if (partAt[i] >= 0) {
        merge(batch.chunk(i), i, piece % heads);
      }
    }
  }

  private void merge(Batch.Chunk chunk, int i, int head) {
    var shape = attention.shape();
    int size = shape.valueSize();
    int rows = chunk.count() * shape.group();
    int step = rows * partSize();
    int spans = spans(chunk);
    for (int r = 0; r < rows; r++) {
      int first = partAt(chunk, i, head, 0) + r * partSize();
      float max = Float.NEGATIVE_INFINITY;
      for (int s = 0; s < spans; s++) {
        max = Math.max(max, parts[first + s * step + size]);
      }
      float sum = 0;
      for (int s = 0; s < spans; s++) {
        int at = first + s * step;
        float weight = (float) Math.pow(2, parts[at + size] - max);
        sum += weight * parts[at + size + 1];
        // The first part is where the sum comes to stand.
        for (int j = 0; j < size; j++) {
          float mixed = weight * parts[at + j];
          parts[first + j] = s == 0 ? mixed : parts[first + j] + mixed;
        }
      }
      for (int j = 0; j < size; j++) {
        parts[first + j] /= sum;
      }
      int token = chunk.row() + r / shape.group();
      long row = (long) token * shape.heads() + head * shape.group() + r % shape.group();
      MemorySegment.copy(parts, first, out, JAVA_FLOAT, row * size * Float.BYTES, size);
    }
  }
}
