package ai.lathe.compress.quantization;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.linalg.Parallel;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Small floating-point codes with a scale for each tile: {@code value = scale * code}. Tiles of
 * several rows, and the scale of the whole tensor that NVFP4 has, are fitted before everything else
 * to the weights as they are ({@link Quantizer#prepare}).
 *
 * <p>{@link ScaleSearch#MIN_MAX} takes compressed-tensors' scales: {@code max|w|} becomes the
 * largest value of the type; for powers of two it lands between 7/2 and 7 (E2M1), or 224 and 448
 * (E4M3).
 *
 * @param scaleType in which scales are stored that are plain numbers: {@code F16}, {@code BF16} or
 *     {@code F32}
 */
public record FloatGrid(FloatScheme scheme, ScaleSearch search, DType scaleType) implements Grid {

  @Override
  public Encoding encoding() {
    return Encoding.Floats.of(scheme, scaleType);
  }

  @Override
  public Optional<String> refusal(int columns) {
    int size = groupSize(columns);
    if (columns % size != 0) {
      return Optional.of("groups of %d do not divide rows of %d".formatted(size, columns));
    }
    if (scheme.type().bits() == 4 && columns % 2 != 0) {
      return Optional.of("pairs of 4-bit codes do not divide rows of " + columns);
    }
    return scheme.activations() instanceof Activations.PerGroup(_, int inputs, _)
            && columns % inputs != 0
        ? Optional.of("groups of %d do not divide an input of %d".formatted(inputs, columns))
        : Optional.empty();
  }

  /**
   * This grid where it can hold rows of this many inputs; else the named fallback: FP8 with one
   * scale a row, and one a token where inputs are rounded too.
   */
  public FloatGrid forColumns(int columns) {
    if (refusal(columns).isEmpty()) {
      return this;
    }
    var inputs =
        scheme.activations() instanceof Activations.None ? Activations.NONE : Activations.FP8_TOKEN;
    return new FloatGrid(FloatScheme.fp8(ScaleTile.CHANNEL, inputs), search, scaleType);
  }

  /** Of tiles that several rows share the columns are no matter of a row. */
  @Override
  public int groupSize(int columns) {
    return byRow() && scheme.tile().columns() > 0 ? scheme.tile().columns() : columns;
  }

  private boolean byRow() {
    return scheme.tile().rows() == 1;
  }

  @Override
  public boolean anyGroups() {
    return false;
  }

  @Override
  public Quantizer quantizer(int rows, int columns, int[] groupIndex, float[] importance) {
    refusal(columns)
        .ifPresent(
            reason -> {
              throw new LatheException(reason);
            });
    if (groupIndex != null) {
      throw new LatheException(
          scheme.label() + " has groups of neighbours; take actorder 'static' instead of 'group'");
    }
    return new Rounding(rows, columns, importance);
  }

  private final class Rounding implements Quantizer {
    private final FloatType type = scheme.type();
    private final int rows;
    private final int columns;
    private final int height;
    private final int width;
    private final int across;
    private final float[] importance;
    private final ScaleCandidates candidates = ScaleCandidates.of(scheme, scaleType);
    private final byte[] codes;

    /** As they are stored, and as they are used: divided by the global one. */
    private final float[] stored;

    private final float[] scales;
    private float global;

    Rounding(int rows, int columns, float[] importance) {
      this.rows = rows;
      this.columns = columns;
      this.importance = importance;
      var tile = scheme.tile();
      this.height = tile.rows() == 0 ? rows : tile.rows();
      this.width = tile.columns() == 0 ? columns : tile.columns();
      this.across = tile.across(columns);
      this.codes = new byte[Math.multiplyExact(rows, columns)];
      this.stored = new float[Math.multiplyExact(tile.down(rows), across)];
      this.scales = new float[stored.length];
      this.global = scheme.global() ? Float.NaN : 1;
    }

    @Override
    public void prepare(Matrix weight) {
      if (scheme.global()) {
        global = globalScale(largest(weight.values(), 0, 1, weight.values().length));
      }
      if (!byRow()) {
        Parallel.forEach(
            stored.length,
            index -> {
              int top = index / across * height;
              int left = index % across * width;
              int high = Math.min(height, rows - top);
              fit(
                  index,
                  weight.values(),
                  top * columns + left,
                  high,
                  Math.min(width, columns - left),
                  left);
            });
      }
    }

    /** What brings the largest group scale to E4M3's largest value; 1 where all weights are 0. */
    private float globalScale(float largest) {
      float exact = FloatType.E4M3.reach() * type.reach() / largest;
      return largest == 0 ? 1 : Math.clamp(exact, Float.MIN_NORMAL, Float.MAX_VALUE);
    }

    @Override
    public void fit(int row, int group, float[] values, int at) {
      if (byRow()) {
        fit(row * across + group, values, at, 1, width, group * width);
      } else if (scales[row / height * across] == 0) {
        throw unprepared();
      }
    }

    private IllegalStateException unprepared() {
      return new IllegalStateException(scheme.label() + " is fitted to whole matrices first");
    }

    /**
     * The scale of one tile, from {@code high x wide} values whose rows lie {@code columns} apart.
     */
    private void fit(int index, float[] values, int at, int high, int wide, int input) {
      if (Float.isNaN(global)) {
        throw unprepared();
      }
      float largest = largest(values, at, high, wide);
      if (largest == 0) {
        // All zero: any scale will do, and 1 is safe for weights that error feedback brings later.
        set(index, 1);
        return;
      }
      if (search == ScaleSearch.MIN_MAX) {
        set(index, candidates.usual(largest, global));
        return;
      }
      double least = Double.POSITIVE_INFINITY;
      float best = 0;
      for (float candidate : candidates.around(largest, global)) {
        double error = error(candidate / global, values, at, high, wide, input);
        if (error < least) {
          least = error;
          best = candidate;
        }
      }
      set(index, best);
    }

    private void set(int index, float scale) {
      stored[index] = scale;
      scales[index] = scale / global;
    }

    private float largest(float[] values, int at, int high, int wide) {
      float largest = 0;
      for (int i = 0; i < high; i++) {
        int from = at + i * columns;
        for (int j = from; j < from + wide; j++) {
          largest = Math.max(largest, Math.abs(values[j]));
        }
      }
      return largest;
    }

    private double error(float scale, float[] values, int at, int high, int wide, int input) {
      double sum = 0;
      for (int i = 0; i < high; i++) {
        int from = at + i * columns;
        for (int j = 0; j < wide; j++) {
          float difference = scale * type.round(values[from + j] / scale) - values[from + j];
          float weight = importance == null ? 1 : importance[input + j];
          sum += (double) weight * difference * difference;
        }
      }
      return sum;
    }

    @Override
    public float round(int row, int column, float weight) {
      float scale = scales[row / height * across + column / width];
      float value = type.round(weight / scale);
      codes[row * columns + column] = type.encode(value);
      return scale * value;
    }

    @Override
    public LinearWeight finish() {
      var encoding = (Encoding.Floats) encoding();
      long[] shape = {stored.length / across, across};
      return new FloatQuantized(
          scheme, rows, columns, codes, tensor(encoding.scaleType(), shape), global, Float.NaN);
    }

    private Tensor tensor(DType dtype, long[] shape) {
      if (dtype == DType.F8_E8M0) {
        var bytes = new byte[stored.length];
        for (int i = 0; i < bytes.length; i++) {
          bytes[i] = (byte) (Math.getExponent(stored[i]) + 127);
        }
        return new Tensor(dtype, shape, MemorySegment.ofArray(bytes));
      }
      var target = Arena.ofAuto().allocate(dtype.bytes(stored.length), 8);
      Tensor.putFloats(dtype, stored, stored.length, target, 0);
      return new Tensor(dtype, shape, target);
    }
  }
}
