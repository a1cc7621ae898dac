package ai.lathe.runtime.kernel.vector;

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
 * cache; both products, of queries with keys and of weights with values, are one kernel of 4 rows
 * by 2 vectors. So one way serves a prompt's many rows, which are bound by arithmetic, and a single
 * token's few, which are bound by reading the cache.
 */
public final class VectorAttention implements AttentionKernel {

  private static final VectorSpecies<Float> SPECIES =
      FloatVector.SPECIES_PREFERRED.length() > FloatVector.SPECIES_512.length()
          ? FloatVector.SPECIES_512
          : FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = SPECIES.withLanes(int.class);
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(short.class, VectorShape.forBitSize(SPECIES.vectorBitSize() / 2));
  private static final int LANES = SPECIES.length();
  private static final int ROWS = 4;
  private static final int COLUMNS = 2 * LANES;
  private static final int POSITIONS = KeyValueLayout.POSITIONS;
  private static final float[] ONES = {1, 1, 1, 1};
  private static final float LOG2_E = (float) (1 / Math.log(2));

  /** Powers below are zero. */
  private static final float LEAST = -127;

  /** Added to a number it leaves the nearest integer, plus the bias of exponents, at the end. */
  private static final float ROUND = 0x1.8p23f + 127;

  // (2^f - 1) / f for |f| <= 1/2, interpolated at Chebyshev nodes: 2^f to 9e-9, relative.
  private static final float C0 = 0.6931472f;
  private static final float C1 = 0.2402265f;
  private static final float C2 = 0.05550357f;
  private static final float C3 = 0.009618057f;
  private static final float C4 = 0.0013390867f;
  private static final float C5 = 0.00015461448f;

  private final AttentionShape shape;
  private final KeyValueLayout layout;
  private final int group;
  private final int size;
  private final float queryScale;

  /** Head size, up to whole columns of the kernel. */
  private final int width;

  private final float[] keys;
  private final float[] values;

  /** What the rows at hand keep of their sums when a larger score comes. */
  private final float[] keep = new float[Math.max(ROWS, LANES)];

  private int rows;
  private float[] queries;
  private float[] scores;
  private float[] mixed;
  private float[] max;
  private float[] sums;

  public VectorAttention(AttentionShape shape, KeyValueLayout layout) {
    this.shape = shape;
    this.layout = layout;
    group = shape.group();
    size = shape.headSize();
    // Without caps, scores are wanted in powers of two.
    queryScale = (float) (shape.cap() == 0 ? shape.scale() * LOG2_E : shape.scale());
    width = Math.ceilDiv(size, COLUMNS) * COLUMNS;
    keys = new float[size * POSITIONS];
    values = new float[POSITIONS * width];
  }

  private void reserve(int count) {
    if (count <= rows) {
      return;
    }
    rows = Math.ceilDiv(count, ROWS) * ROWS;
    queries = new float[rows * size];
    scores = new float[rows * POSITIONS];
    mixed = new float[rows * width];
    max = new float[rows];
    // One more, for sums that nobody reads.
    sums = new float[(rows + 1) * LANES];
  }

  @Override
  public void attend(AttentionTask task) {
    int count = task.tokens * group;
    reserve(count);
    int padded = Math.ceilDiv(count, ROWS) * ROWS;
    load(task, padded);
    Arrays.fill(mixed, 0, padded * width, 0);
    Arrays.fill(max, 0, padded, Float.NEGATIVE_INFINITY);
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
        int at = task.partAt + r * (size + 2);
        System.arraycopy(mixed, r * width, task.part, at, size);
        task.part[at + size] = max[r];
        task.part[at + size + 1] = sum(r);
      }
    }
  }

  private void load(AttentionTask task, int padded) {
    var memory = task.queries.memory();
    int count = task.tokens * group;
    for (int r = 0; r < count; r++) {
      long at = task.queries.at(task.row + r / group, task.head * group + r % group);
      MemorySegment.copy(memory, JAVA_FLOAT, at * Float.BYTES, queries, r * size, size);
    }
    for (int i = 0; i < count * size; i++) {
      queries[i] *= queryScale;
    }
    Arrays.fill(queries, count * size, padded * size, 0);
  }

  /** Positions {@code [from, to)}, all of the page that begins at {@code start}. */
  private void page(AttentionTask task, int start, int from, int to, int count) {
    unpack(task.pages[task.table[start / POSITIONS]], task.head, from - start, to - start);
    for (int row = 0; row < count; row += ROWS) {
      // Rows of a few neighbouring tokens see nearly the same positions; the rest is masked.
      int first = task.position + row / group;
      int last = task.position + (Math.min(row + ROWS, count) - 1) / group;
      int left = Math.max(from, shape.from(first)) - start;
      int right = Math.min(to, shape.to(last, task.length)) - start;
      if (left < right) {
        block(task, row, count, start, left, right);
      }
    }
  }

  /** The next rows against columns {@code [left, right)} of the page. */
  private void block(AttentionTask task, int row, int count, int start, int left, int right) {
    int begin = left / COLUMNS * COLUMNS;
    int end = Math.ceilDiv(right, COLUMNS) * COLUMNS;
    int at = row * POSITIONS;
    for (int r = row; r < row + ROWS; r++) {
      Arrays.fill(scores, r * POSITIONS + begin, r * POSITIONS + end, 0);
    }
    multiply(
        queries,
        row * size,
        size,
        0,
        size,
        keys,
        POSITIONS,
        begin,
        end,
        scores,
        at,
        POSITIONS,
        ONES);
    for (int r = row; r < row + ROWS; r++) {
      int from = r * POSITIONS + begin;
      int to = r * POSITIONS + end;
      if (shape.cap() != 0) {
        cap(scores, from, to, (float) shape.cap());
      }
      int position = task.position + Math.min(r, count - 1) / group;
      int first = Math.clamp(shape.from(position) - start, left, right);
      int last = Math.clamp(shape.to(position, task.length) - start, first, right);
      // Only now: columns beyond what was stored may hold NaN.
      Arrays.fill(scores, from, r * POSITIONS + first, Float.NEGATIVE_INFINITY);
      Arrays.fill(scores, r * POSITIONS + last, to, Float.NEGATIVE_INFINITY);
      float larger = Math.max(max[r], maximum(scores, from, to));
      // A row that has seen nothing yet has nothing to keep, whatever the power.
      keep[r - row] = larger == Float.NEGATIVE_INFINITY ? 0 : max[r] - larger;
      max[r] = larger;
    }
    powers(keep, 0, keep.length, 0, 0, sums, rows * LANES);
    for (int r = row; r < row + ROWS; r++) {
      int from = r * POSITIONS + begin;
      int to = r * POSITIONS + end;
      float reference = max[r] == Float.NEGATIVE_INFINITY ? 0 : max[r];
      powers(scores, from, to, reference, keep[r - row], sums, r * LANES);
    }
    multiply(
        scores,
        at,
        POSITIONS,
        left,
        right,
        values,
        width,
        0,
        width,
        mixed,
        row * width,
        width,
        keep);
  }

  private void unpack(MemorySegment page, int head, int from, int to) {
    if (!(layout instanceof FloatKeyValues floats && floats.type() == DType.BF16)) {
      layout.keys(page, head, keys);
      layout.values(page, head, from, to, values, width);
      return;
    }
    // The compiler makes no vector code of the plain loop for these.
    widen(page, floats.keysAt(head), keys, 0, keys.length);
    for (int j = from; j < to; j++) {
      widen(page, floats.valuesAt(head) + 2L * j * size, values, j * width, size);
    }
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

  /**
   * {@code c[i][j] = keep[i] c[i][j] + sum over k in [k0, k1) of a[i][k] b[k][j]} for 4 rows and
   * columns {@code [from, to)}.
   */
  private static void multiply(
      float[] a,
      int aAt,
      int aStride,
      int k0,
      int k1,
      float[] b,
      int bStride,
      int from,
      int to,
      float[] c,
      int cAt,
      int cStride,
      float[] keep) {
    int a1 = aAt + aStride;
    int a2 = a1 + aStride;
    int a3 = a2 + aStride;
    for (int j = from; j < to; j += COLUMNS) {
      int c0 = cAt + j;
      int c1 = c0 + cStride;
      int c2 = c1 + cStride;
      int c3 = c2 + cStride;
      var p0 = FloatVector.fromArray(SPECIES, c, c0).mul(keep[0]);
      var q0 = FloatVector.fromArray(SPECIES, c, c0 + LANES).mul(keep[0]);
      var p1 = FloatVector.fromArray(SPECIES, c, c1).mul(keep[1]);
      var q1 = FloatVector.fromArray(SPECIES, c, c1 + LANES).mul(keep[1]);
      var p2 = FloatVector.fromArray(SPECIES, c, c2).mul(keep[2]);
      var q2 = FloatVector.fromArray(SPECIES, c, c2 + LANES).mul(keep[2]);
      var p3 = FloatVector.fromArray(SPECIES, c, c3).mul(keep[3]);
      var q3 = FloatVector.fromArray(SPECIES, c, c3 + LANES).mul(keep[3]);
      for (int k = k0; k < k1; k++) {
        var b0 = FloatVector.fromArray(SPECIES, b, k * bStride + j);
        var b1 = FloatVector.fromArray(SPECIES, b, k * bStride + j + LANES);
        var x0 = FloatVector.broadcast(SPECIES, a[aAt + k]);
        p0 = x0.fma(b0, p0);
        q0 = x0.fma(b1, q0);
        var x1 = FloatVector.broadcast(SPECIES, a[a1 + k]);
        p1 = x1.fma(b0, p1);
        q1 = x1.fma(b1, q1);
        var x2 = FloatVector.broadcast(SPECIES, a[a2 + k]);
        p2 = x2.fma(b0, p2);
        q2 = x2.fma(b1, q2);
        var x3 = FloatVector.broadcast(SPECIES, a[a3 + k]);
        p3 = x3.fma(b0, p3);
        q3 = x3.fma(b1, q3);
      }
      p0.intoArray(c, c0);
      q0.intoArray(c, c0 + LANES);
      p1.intoArray(c, c1);
      q1.intoArray(c, c1 + LANES);
      p2.intoArray(c, c2);
      q2.intoArray(c, c2 + LANES);
      p3.intoArray(c, c3);
      q3.intoArray(c, c3 + LANES);
    }
  }

  /** The largest of elements {@code [from, to)}, whole vectors. */
  private static float maximum(float[] x, int from, int to) {
    var largest = FloatVector.fromArray(SPECIES, x, from);
    for (int i = from + LANES; i < to; i += LANES) {
      largest = largest.max(FloatVector.fromArray(SPECIES, x, i));
    }
    return largest.reduceLanes(VectorOperators.MAX);
  }

  /**
   * {@code x = 2^(x - reference)}, which is at most 1; whole vectors. Their sums stay apart by
   * lanes, {@code sums = kept sums + new ones}: in which order lanes of one vector are added up is
   * not the same in interpreted and in compiled code.
   */
  private static void powers(
      float[] x, int from, int to, float reference, float kept, float[] sums, int at) {
    var total = FloatVector.fromArray(SPECIES, sums, at).mul(kept);
    for (int i = from; i < to; i += LANES) {
      var power = FloatVector.fromArray(SPECIES, x, i).sub(reference).max(LEAST);
      var rounded = power.add(ROUND);
      var f = power.sub(rounded.sub(ROUND));
      var p = f.mul(C5).add(C4);
      p = p.fma(f, FloatVector.broadcast(SPECIES, C3));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C2));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C1));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C0));
      var two =
          rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
      var value = p.mul(f).fma(two, two);
      value.intoArray(x, i);
      total = total.add(value);
    }
    total.intoArray(sums, at);
  }

  /**
   * {@code x = cap tanh(x / cap) log2(e)}, whole vectors. With {@code e^(2y) - 1 = m}, which is
   * computed without a difference of near numbers, the tangent is {@code m / (m + 2)}.
   */
  private static void cap(float[] x, int from, int to, float cap) {
    float inner = 2 * LOG2_E / cap;
    float outer = cap * LOG2_E;
    for (int i = from; i < to; i += LANES) {
      var s = FloatVector.fromArray(SPECIES, x, i);
      // Beyond this the tangent is 1 to the last bit.
      var power = s.mul(inner).max(-40).min(40);
      var rounded = power.add(ROUND);
      var f = power.sub(rounded.sub(ROUND));
      var p = f.mul(C5).add(C4);
      p = p.fma(f, FloatVector.broadcast(SPECIES, C3));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C2));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C1));
      p = p.fma(f, FloatVector.broadcast(SPECIES, C0));
      var two =
          rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
      var m = p.mul(f).fma(two, two.sub(1));
      m.div(m.add(2)).mul(outer).intoArray(x, i);
    }
  }

  private float sum(int row) {
    float sum = 0;
    for (int i = row * LANES; i < (row + 1) * LANES; i++) {
      sum += sums[i];
    }
    return sum;
  }

  private void finish(AttentionTask task, int count) {
    for (int r = 0; r < count; r++) {
      float factor = 1 / sum(r);
      for (int i = r * width; i < r * width + size; i++) {
        mixed[i] *= factor;
      }
      long row = (long) (task.row + r / group) * shape.heads() + task.head * group + r % group;
      long at = row * size * Float.BYTES;
      MemorySegment.copy(mixed, r * width, task.out, JAVA_FLOAT, at, size);
    }
  }
}
