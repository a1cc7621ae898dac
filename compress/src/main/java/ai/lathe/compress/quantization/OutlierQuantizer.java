package ai.lathe.compress.quantization;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.SparseRows;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/**
 * Any quantizer, with SpQR's outliers: weights whose error {@code ((w - q) / U_jj)^2} is above a
 * threshold keep their value, as a correction in float16 to the level that they would round to.
 */
final class OutlierQuantizer implements Quantizer {

  /** A threshold that nothing exceeds. */
  static final float NONE = Float.POSITIVE_INFINITY;

  private static final int FIRST_ROOM = 8;

  private final Quantizer base;
  private final float highest;
  private final int size;
  private final float[] pivots;
  private final float[] pivotsByGroup;
  private final int[][] columns;
  private final short[][] corrections;
  private final int[] counts;
  private float threshold = NONE;
  private float[] errors;

  /**
   * @param base begun for as many rows
   * @param bits of its codes
   * @param size of its groups
   * @param sweep that will be run with this
   */
  OutlierQuantizer(Quantizer base, int rows, int bits, int size, ColumnSweep sweep) {
    this.base = base;
    this.highest = (1 << bits) - 1;
    this.size = size;
    this.pivots = sweep.pivots();
    this.pivotsByGroup = sweep.pivotsByGroup();
    this.columns = new int[rows][FIRST_ROOM];
    this.corrections = new short[rows][FIRST_ROOM];
    this.counts = new int[rows];
  }

  /** {@code tau}, for all that is fitted and rounded from now on. */
  void threshold(float threshold) {
    this.threshold = threshold;
  }

  /**
   * From now on keeps the error of every weight, {@code [rows * inputs]}, in the array returned.
   */
  float[] watch() {
    errors = new float[counts.length * pivots.length];
    return errors;
  }

  /** Forgets the outliers of rows {@code [first, last)}, which will be swept again. */
  void forget(int first, int last) {
    Arrays.fill(counts, first, last, 0);
  }

  /** Outliers of rows {@code [first, last)}. */
  int count(int first, int last) {
    return Arrays.stream(counts, first, last).sum();
  }

  @Override
  public int rowsTogether() {
    return base.rowsTogether();
  }

  @Override
  public void settle(int from, int to, int group) {
    base.settle(from, to, group);
  }

  @Override
  public void fit(int row, int group, float[] values, int at) {
    if (threshold == NONE) {
      base.fit(row, group, values, at);
    } else {
      base.fit(row, group, withoutOutliers(values, at, group * size), 0);
    }
  }

  /**
   * A group's weights, those that are likely to be outliers replaced by the mean of the others: a
   * weight is when fitting a min-max grid without it lowers the group's error by more than the
   * threshold. Only the least and the greatest of a group make a difference to the grid; any other
   * lowers the error by its own.
   */
  private float[] withoutOutliers(float[] values, int at, int pivotAt) {
    var group = Arrays.copyOfRange(values, at, at + size);
    var likely = new boolean[size];
    int least = 0;
    int greatest = 0;
    for (int i = 1; i < size; i++) {
      least = group[i] < group[least] ? i : least;
      greatest = group[i] > group[greatest] ? i : greatest;
    }
    float min = group[least];
    float max = group[greatest];
    float all = 0;
    for (int i = 0; i < size; i++) {
      float error = error(group[i], min, max, pivotsByGroup[pivotAt + i]);
      all += error;
      likely[i] = error > threshold;
    }
    for (int left : new int[] {least, greatest}) {
      float lowest = Float.POSITIVE_INFINITY;
      float highest = Float.NEGATIVE_INFINITY;
      for (int i = 0; i < size; i++) {
        lowest = i == left ? lowest : Math.min(lowest, group[i]);
        highest = i == left ? highest : Math.max(highest, group[i]);
      }
      float without = 0;
      for (int i = 0; i < size; i++) {
        without += i == left ? 0 : error(group[i], lowest, highest, pivotsByGroup[pivotAt + i]);
      }
      likely[left] = all - without > threshold;
    }
    float sum = 0;
    int others = 0;
    for (int i = 0; i < size; i++) {
      sum += likely[i] ? 0 : group[i];
      others += likely[i] ? 0 : 1;
    }
    for (int i = 0; i < size; i++) {
      group[i] = likely[i] ? sum / Math.max(1, others) : group[i];
    }
    return group;
  }

  /** Of a weight on the grid of {@code 2^bits} levels from {@code min} to {@code max}. */
  private float error(float weight, float min, float max, float pivot) {
    float scale = (max - min) / highest;
    float magic = 0x1.8p23f;
    float level = scale == 0 ? 0 : (weight - min) / scale + magic - magic;
    float error = (weight - min - scale * level) / pivot;
    return error * error;
  }

  @Override
  public float round(int row, int column, float weight) {
    float level = base.round(row, column, weight);
    float error = (weight - level) / pivots[column];
    float square = error * error;
    if (errors != null) {
      errors[row * pivots.length + column] = square;
    }
    if (!(square > threshold)) {
      return level;
    }
    int at = counts[row]++;
    if (at == columns[row].length) {
      columns[row] = Arrays.copyOf(columns[row], 2 * at);
      corrections[row] = Arrays.copyOf(corrections[row], 2 * at);
    }
    short correction = Float.floatToFloat16(Math.clamp(weight - level, -65504f, 65504f));
    columns[row][at] = column;
    corrections[row][at] = correction;
    return level + Float.float16ToFloat(correction);
  }

  @Override
  public LinearWeight finish() {
    return base.finish();
  }

  /** The quantized matrix plus its outliers, of which there are no more than there is room for. */
  LinearWeight finish(Encoding.SparseRows encoding) {
    int rows = counts.length;
    int capacity = encoding.capacity(rows, pivots.length);
    var offsets = new int[rows + 1];
    var ids = new char[capacity];
    var values = new float[capacity];
    for (int row = 0; row < rows; row++) {
      int count = counts[row];
      var pairs = new long[count];
      for (int i = 0; i < count; i++) {
        pairs[i] = (long) columns[row][i] << 16 | corrections[row][i] & 0xFFFF;
      }
      Arrays.sort(pairs);
      for (int i = 0; i < count; i++) {
        ids[offsets[row] + i] = (char) (pairs[i] >> 16);
        values[offsets[row] + i] = Float.float16ToFloat((short) pairs[i]);
      }
      offsets[row + 1] = offsets[row] + count;
    }
    var target = Arena.ofAuto().allocate(DType.F16.bytes(capacity), 8);
    Tensor.putFloats(DType.F16, values, capacity, target, 0);
    var stored = new Tensor(DType.F16, new long[] {capacity}, target);
    return new Sum(
        List.of(
            base.finish(), new SparseRows(encoding, rows, pivots.length, offsets, ids, stored)));
  }
}
