package ai.lathe.runtime.kernel.vector;

import static ai.lathe.runtime.kernel.vector.TileProduct.COLUMNS;
import static ai.lathe.runtime.kernel.vector.TileProduct.LANES;
import static ai.lathe.runtime.kernel.vector.TileProduct.SPECIES;
import static ai.lathe.runtime.kernel.vector.TileProduct.WIDE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import ai.lathe.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Attention by blocks: all rows of a task, a row being a query head of a token, against one page
 * after the other, softmax kept up to date as scores come in (Milakov and Gimelshein 2018, arXiv
 * 1805.02867). A page is turned to float32 once for all rows, which then stays in the nearest
 * cache; both products, of queries with keys and of weights with values, are one kernel of 4 or 8
 * rows by 2 vectors. So one way serves a prompt's many rows, which are bound by arithmetic, and a
 * single token's few, which are bound by reading the cache.
 */
public final class VectorAttention implements AttentionKernel {

  private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int ROWS = 4;

  private static final int POSITIONS = KeyValueLayout.POSITIONS;
  private static final float[] ZEROS = new float[POSITIONS];
  private static final float[] ONES = {1, 1, 1, 1, 1, 1, 1, 1};

  private final AttentionShape shape;
  private final KeyValueLayout layout;
  private final int group;
  private final int keySize;
  private final int valueSize;
  private final float queryScale;

  /** Size of a value's head, up to whole columns of the kernel. */
  private final int width;

  private final float[] keys;

  /**
   * Rows without gaps, so that a page is converted at one go. Columns beyond a head's are the next
   * row's, and what comes of them is never read.
   */
  private final float[] values;

  /** What the rows at hand keep of their sums when a larger score comes. */
  private final float[] keep = new float[2 * ROWS];

  /** Where keys are in no pages: a page's rows of them, and from where lanes take theirs. */
  private float[] rowsOfKeys;

  private int[] places;

  private int rows;
  private float[] queries;
  private float[] scores;
  private float[] mixed;
  private float[] references;
  private float[] sums;

  public VectorAttention(AttentionShape shape, KeyValueLayout layout) {
    this.shape = shape;
    this.layout = layout;
    group = shape.group();
    keySize = shape.keySize();
    valueSize = shape.valueSize();
    // Without caps, scores are wanted in powers of two.
    queryScale = (float) (shape.cap() == 0 ? shape.scale() * ScoreMath.LOG2_E : shape.scale());
    width = Math.ceilDiv(valueSize, COLUMNS) * COLUMNS;
    keys = new float[keySize * POSITIONS];
    values = new float[POSITIONS * valueSize + width - valueSize];
  }

  private void reserve(int count) {
    if (count <= rows) {
      return;
    }
    rows = Math.ceilDiv(count, 2 * ROWS) * 2 * ROWS;
    queries = new float[rows * keySize];
    scores = new float[rows * POSITIONS];
    mixed = new float[rows * width];
    references = new float[rows];
    sums = new float[rows * LANES];
  }

  @Override
  public void attend(AttentionTask task) {
    int count = task.tokens * group;
    reserve(count);
    int padded = Math.ceilDiv(count, 2 * ROWS) * 2 * ROWS;
    load(task, padded);
    Arrays.fill(mixed, 0, padded * width, 0);
    Arrays.fill(references, 0, padded, Float.NEGATIVE_INFINITY);
    Arrays.fill(sums, 0, padded * LANES, 0);
    int last = task.position + task.tokens - 1;
    int from = Math.max(task.from, shape.from(task.position));
    int to = Math.min(task.to, shape.to(last, task.length));
    for (int start = from / POSITIONS * POSITIONS; start < to; start += POSITIONS) {
      page(task, start, Math.max(from, start), Math.min(to, start + POSITIONS), count);
    }
    if (task.part == null) {
      finish(task, count);
    } else {
      for (int r = 0; r < count; r++) {
        int at = task.partAt + r * (valueSize + 2);
        System.arraycopy(mixed, r * width, task.part, at, valueSize);
        task.part[at + valueSize] = references[r];
        task.part[at + valueSize + 1] = sum(r);
      }
    }
  }

  private void load(AttentionTask task, int padded) {
    var memory = task.queries.memory();
    int count = task.tokens * group;
    int whole = SPECIES.loopBound(keySize);
    for (int r = 0; r < count; r++) {
      long at = 4 * task.queries.at(task.row + r / group, task.head * group + r % group);
      int to = r * keySize;
      for (int i = 0; i < whole; i += LANES) {
        FloatVector.fromMemorySegment(SPECIES, memory, at + 4L * i, ByteOrder.nativeOrder())
            .mul(queryScale)
            .intoArray(queries, to + i);
      }
      for (int i = whole; i < keySize; i++) {
        queries[to + i] = memory.get(JAVA_FLOAT, at + 4L * i) * queryScale;
      }
    }
    Arrays.fill(queries, count * keySize, padded * keySize, 0);
  }

  /** Positions {@code [from, to)}, all of the page that begins at {@code start}. */
  private void page(AttentionTask task, int start, int from, int to, int count) {
    if (task.keys != null) {
      turn(task, start);
      task.values(layout, start / POSITIONS, from - start, to - start, values, valueSize);
    } else {
      unpack(task.pages[task.table[start / POSITIONS]], task.head, from - start, to - start);
    }
    for (int row = 0, n = 0; row < count; row += n) {
      n = WIDE && count - row > ROWS ? 2 * ROWS : ROWS;
      // Rows of a few neighbouring tokens see nearly the same positions; the rest is masked.
      int first = task.position + row / group;
      int last = task.position + (Math.min(row + n, count) - 1) / group;
      int left = Math.max(from, shape.from(first)) - start;
      int right = Math.min(to, shape.to(last, task.length)) - start;
      if (left < right) {
        block(task, row, n, count, start, left, right);
      }
    }
  }

  /** {@code n} rows against columns {@code [left, right)} of the page. */
  private void block(
      AttentionTask task, int row, int n, int count, int start, int left, int right) {
    int begin = left / COLUMNS * COLUMNS;
    int end = Math.ceilDiv(right, COLUMNS) * COLUMNS;
    int at = row * POSITIONS;
    int to = row * width;
    if (n == ROWS) {
      TileProduct.multiply4(
          queries,
          row * keySize,
          keySize,
          0,
          keySize,
          keys,
          POSITIONS,
          begin,
          end,
          ONES,
          ZEROS,
          0,
          0,
          scores,
          at,
          POSITIONS);
    } else {
      TileProduct.multiply8(
          queries,
          row * keySize,
          keySize,
          0,
          keySize,
          keys,
          POSITIONS,
          begin,
          end,
          ONES,
          ZEROS,
          0,
          0,
          scores,
          at,
          POSITIONS);
    }
    if (shape.cap() != 0) {
      for (int r = row; r < row + n; r++) {
        ScoreMath.cap(scores, r * POSITIONS + begin, r * POSITIONS + end, (float) shape.cap());
      }
    }
    for (int r = row; r < row + n; r++) {
      mask(task, r, Math.min(r, count - 1) / group, start, left, right, begin, end);
    }
    ScoreMath.refer(scores, at + begin, at + end, n, references, row, keep);
    ScoreMath.powers(scores, at + begin, at + end, n, references, row, keep, sums);
    if (n == ROWS) {
      TileProduct.multiply4(
          scores, at, POSITIONS, left, right, values, valueSize, 0, width, keep, mixed, to, width,
          mixed, to, width);
    } else {
      TileProduct.multiply8(
          scores, at, POSITIONS, left, right, values, valueSize, 0, width, keep, mixed, to, width,
          mixed, to, width);
    }
  }

  /** Minus infinity for what a row does not see. */
  private void mask(
      AttentionTask task, int row, int t, int start, int left, int right, int begin, int end) {
    int at = row * POSITIONS;
    int first = Math.clamp(shape.from(task.position + t) - start, left, right);
    int last = Math.clamp(shape.to(task.position + t, task.length) - start, first, right);
    if (first > begin) {
      Arrays.fill(scores, at + begin, at + first, Float.NEGATIVE_INFINITY);
    }
    if (last < end) {
      // Beyond what was stored a score may be NaN, and is none.
      Arrays.fill(scores, at + last, at + end, Float.NEGATIVE_INFINITY);
    }
  }

  /** Keys that are in no page: rows of a page's tokens turned into rows of features. */
  private void turn(AttentionTask task, int start) {
    int count = Math.min(POSITIONS, task.length - start);
    if (rowsOfKeys == null) {
      rowsOfKeys = new float[POSITIONS * keySize];
      places = new int[LANES];
      Arrays.setAll(places, i -> i * keySize);
    }
    for (int j = 0; j < count; j++) {
      long at = task.keys.at(task.first + start + j, task.head) * Float.BYTES;
      MemorySegment.copy(task.keys.memory(), JAVA_FLOAT, at, rowsOfKeys, j * keySize, keySize);
    }
    // What stands in rows behind the last token is masked.
    for (int j = 0; j < count; j += LANES) {
      for (int i = 0; i < keySize; i++) {
        FloatVector.fromArray(SPECIES, rowsOfKeys, j * keySize + i, places, 0)
            .intoArray(keys, i * POSITIONS + j);
      }
    }
  }

  private void unpack(MemorySegment page, int head, int from, int to) {
    if (!(layout instanceof FloatKeyValues floats && floats.type() == DType.BF16)) {
      layout.keys(page, head, keys);
      layout.values(page, head, from, to, values, valueSize);
      return;
    }
    // The compiler makes no vector code of the plain loop for these.
    widen(page, floats.keysAt(head), keys, 0, keys.length);
    int first = from * valueSize;
    widen(page, floats.valuesAt(head) + 2L * first, values, first, to * valueSize - first);
  }

  private static void widen(MemorySegment page, long at, float[] panel, int to, int count) {
    int i = 0;
    for (int end = SPECIES.loopBound(count); i < end; i += LANES) {
      var shorts =
          ShortVector.fromMemorySegment(SHORTS, page, at + 2L * i, ByteOrder.nativeOrder());
      ((IntVector) shorts.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
          .lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoArray(panel, to + i);
    }
    for (; i < count; i++) {
      panel[to + i] = Float.intBitsToFloat(page.get(JAVA_SHORT, at + 2L * i) << 16);
    }
  }

  private float sum(int row) {
    float even = 0;
    float odd = 0;
    for (int i = row * LANES; i < (row + 1) * LANES; i += 2) {
      even += sums[i];
      odd += sums[i + 1];
    }
    return even + odd;
  }

  private void finish(AttentionTask task, int count) {
    int whole = SPECIES.loopBound(valueSize);
    for (int r = 0; r < count; r++) {
      float factor = 1 / sum(r);
      long row = (long) (task.row + r / group) * shape.heads() + task.head * group + r % group;
      long at = row * valueSize * Float.BYTES;
      int from = r * width;
      for (int i = 0; i < whole; i += LANES) {
        FloatVector.fromArray(SPECIES, mixed, from + i)
            .mul(factor)
            .intoMemorySegment(task.out, at + 4L * i, ByteOrder.nativeOrder());
      }
      for (int i = whole; i < valueSize; i++) {
        task.out.set(JAVA_FLOAT, at + 4L * i, mixed[from + i] * factor);
      }
    }
  }
}
