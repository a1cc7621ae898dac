package ai.lathe.runtime.kernel.emitted;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import ai.lathe.runtime.kernel.attention.AttentionKernel;
import ai.lathe.runtime.kernel.attention.AttentionShape;
import ai.lathe.runtime.kernel.attention.AttentionTask;
import ai.lathe.runtime.kernel.attention.FloatKeyValues;
import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Attention by blocks, as the vector provider computes it, to the last bit where its vectors have
 * 16 lanes: rows against one page after the other, softmax kept up to date as scores come in.
 */
final class EmittedAttention implements AttentionKernel {

  private static final int POSITIONS = KeyValueLayout.POSITIONS;
  private static final int LANES = 16;
  private static final float LOG2_E = (float) (1 / Math.log(2));

  /** Powers may come to two to this before what they refer to is raised. */
  private static final float SLACK = 10;

  private final AttentionShape shape;
  private final FloatKeyValues layout;
  private final AttentionKernels kernels;
  private final AttentionKernel beside;
  private final int group;
  private final int keySize;
  private final int valueSize;
  private final int width;
  private final float queryScale;

  private int rows;
  private MemorySegment queries;
  private MemorySegment scores;
  private MemorySegment mixes;
  private MemorySegment sums;

  /** Of the rows at hand: the largest score, then what powers refer to; what sums keep. */
  private final MemorySegment references = Arena.ofAuto().allocate(64, 64);

  private final MemorySegment keep = Arena.ofAuto().allocate(64, 64);
  private float[] highest;

  /**
   * Shapes with caps on scores are others'.
   *
   * @param beside computes where keys and values are in no pages
   */
  EmittedAttention(
      AttentionShape shape,
      FloatKeyValues layout,
      AttentionKernels kernels,
      AttentionKernel beside) {
    this.beside = beside;
    this.shape = shape;
    this.layout = layout;
    this.kernels = kernels;
    group = shape.group();
    keySize = shape.keySize();
    valueSize = shape.valueSize();
    width = kernels.width();
    queryScale = (float) (shape.scale() * LOG2_E);
  }

  private void reserve(int count) {
    if (count <= rows) {
      return;
    }
    rows = count;
    queries = floats((long) rows * keySize);
    scores = floats((long) rows * POSITIONS);
    mixes = floats((long) rows * width);
    sums = floats((long) rows * LANES);
    highest = new float[rows];
  }

  private static MemorySegment floats(long count) {
    return Arena.ofAuto().allocate(count * Float.BYTES, 64);
  }

  @Override
  public void attend(AttentionTask task) {
    if (task.keys != null) {
      beside.attend(task);
      return;
    }
    int count = task.tokens * group;
    reserve(count);
    load(task, count);
    for (int i = 0; i < count * width; i++) {
      mixes.setAtIndex(JAVA_FLOAT, i, 0);
    }
    for (int i = 0; i < count * LANES; i++) {
      sums.setAtIndex(JAVA_FLOAT, i, 0);
    }
    for (int r = 0; r < count; r++) {
      highest[r] = Float.NEGATIVE_INFINITY;
    }
    int last = task.position + task.tokens - 1;
    int from = Math.max(task.from, shape.from(task.position));
    int to = Math.min(task.to, shape.to(last, task.length));
    for (int start = from / POSITIONS * POSITIONS; start < to; start += POSITIONS) {
      page(task, start, Math.max(from, start), Math.min(to, start + POSITIONS), count);
    }
    if (task.part == null) {
      finish(task, count);
    } else {
      part(task, count);
    }
  }

  private void load(AttentionTask task, int count) {
    var memory = task.queries.memory();
    for (int r = 0; r < count; r++) {
      long at = task.queries.at(task.row + r / group, task.head * group + r % group);
      for (int i = 0; i < keySize; i++) {
        float query = memory.getAtIndex(JAVA_FLOAT, at + i);
        queries.setAtIndex(JAVA_FLOAT, (long) r * keySize + i, query * queryScale);
      }
    }
  }

  /** Positions {@code [from, to)}, all of the page that begins at {@code start}. */
  private void page(AttentionTask task, int start, int from, int to, int count) {
    var page = task.pages[task.table[start / POSITIONS]];
    if (!page.isNative() || page.byteSize() < layout.bytes() || !page.scope().isAlive()) {
      throw new IllegalStateException("pages are open memory outside the heap");
    }
    long keys = page.address() + layout.keysAt(task.head);
    long values = page.address() + layout.valuesAt(task.head);
    for (int row = 0, n = 0; row < count; row += n) {
      n = Math.min(AttentionKernels.ROWS, count - row);
      // Rows of a few neighbouring tokens see nearly the same positions; the rest is masked.
      int first = task.position + row / group;
      int last = task.position + (row + n - 1) / group;
      int left = Math.max(from, shape.from(first)) - start;
      int right = Math.min(to, shape.to(last, task.length)) - start;
      if (left < right) {
        rows(task, row, n, start, left, right, keys, values);
      }
    }
  }

  /** {@code n} rows against positions {@code [left, right)} of the page. */
  private void rows(
      AttentionTask task, int row, int n, int start, int left, int right, long keys, long values) {
    long at = scores.address() + (long) row * POSITIONS * Float.BYTES;
    kernels.scores(n, queries.address() + (long) row * keySize * Float.BYTES, keys, at);
    for (int r = row; r < row + n; r++) {
      int position = task.position + r / group;
      int first = Math.clamp(shape.from(position) - start, left, right);
      int end = Math.clamp(shape.to(position, task.length) - start, first, right);
      hide(r, 0, first);
      // Beyond what was stored a score may be NaN, and is none.
      hide(r, end, POSITIONS);
    }
    kernels.largest(n, at, references.address());
    refer(row, n);
    kernels.powers(
        n, at, references.address(), keep.address(), sums.address() + (long) row * 4 * LANES);
    kernels.mix(
        n,
        at + (long) left * Float.BYTES,
        values + layout.type().bytes((long) left * valueSize),
        keep.address(),
        mixes.address() + (long) row * width * Float.BYTES,
        right - left);
  }

  private void hide(int row, int from, int to) {
    for (int j = from; j < to; j++) {
      scores.setAtIndex(JAVA_FLOAT, (long) row * POSITIONS + j, Float.NEGATIVE_INFINITY);
    }
  }

  /** Raises what powers of a row refer to, where its largest score is far above it. */
  private void refer(int row, int n) {
    for (int r = 0; r < n; r++) {
      float old = highest[row + r];
      float largest = references.getAtIndex(JAVA_FLOAT, r);
      float kept = 1;
      if (largest > old + SLACK) {
        highest[row + r] = largest;
        kept = AttentionKernels.power(old - largest);
      }
      keep.setAtIndex(JAVA_FLOAT, r, kept);
      // A row that has seen nothing yet has zeros for powers, not what minus infinities differ by.
      references.setAtIndex(JAVA_FLOAT, r, Math.max(highest[row + r], -Float.MAX_VALUE));
    }
  }

  private float sum(int row) {
    float even = 0;
    float odd = 0;
    for (int i = row * LANES; i < (row + 1) * LANES; i += 2) {
      even += sums.getAtIndex(JAVA_FLOAT, i);
      odd += sums.getAtIndex(JAVA_FLOAT, i + 1);
    }
    return even + odd;
  }

  private void part(AttentionTask task, int count) {
    for (int r = 0; r < count; r++) {
      int at = task.partAt + r * (valueSize + 2);
      MemorySegment.copy(mixes, JAVA_FLOAT, 4L * r * width, task.part, at, valueSize);
      task.part[at + valueSize] = highest[r];
      task.part[at + valueSize + 1] = sum(r);
    }
  }

  private void finish(AttentionTask task, int count) {
    for (int r = 0; r < count; r++) {
      float factor = 1 / sum(r);
      long row = (long) (task.row + r / group) * shape.heads() + task.head * group + r % group;
      for (int i = 0; i < valueSize; i++) {
        float mixed = mixes.getAtIndex(JAVA_FLOAT, (long) r * width + i);
        task.out.setAtIndex(JAVA_FLOAT, row * valueSize + i, mixed * factor);
      }
    }
  }
}
