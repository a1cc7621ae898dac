package ai.lathe.tensor;

import java.lang.foreign.Arena;
import java.util.Arrays;

/**
 * A weight of which some values are zero and not stored. The others stand one after the other, row
 * by row, whatever the pattern.
 *
 * @param mask which are stored, as the encoding's pattern allows, and as many as it has room for
 * @param inputScale where the scheme's activations are calibrated; else NaN
 */
public record Sparse(Encoding.Sparse encoding, Mask mask, Values values, float inputScale)
    implements LinearWeight {

  /** What is stored of the weights that are kept. */
  public sealed interface Values {

    /**
     * @param kept {@code [kept]}
     */
    record Floats(Tensor kept) implements Values {}

    /**
     * Codes of an integer grid.
     *
     * @param kept {@code [kept]}, one a byte
     * @param scales {@code [rows, groups]}; groups are of inputs, kept or not
     * @param zeros {@code [rows * groups]}; null where the scheme is symmetric
     */
    record Codes(byte[] kept, Tensor scales, byte[] zeros) implements Values {}
  }

  public Sparse {
    int rows = mask.rows();
    int columns = mask.columns();
    if (mask.kept() != encoding.kept(rows, columns)) {
      throw new LatheException(
          "a %d x %d weight of %s keeps %d weights, not %d"
              .formatted(
                  rows, columns, encoding.label(), encoding.kept(rows, columns), mask.kept()));
    }
    if (!mask.follows(encoding.pattern())) {
      throw new LatheException("a mask does not follow the pattern " + encoding.pattern().label());
    }
    boolean fits =
        switch (values) {
          case Values.Floats(Tensor kept) ->
              encoding.values().equals(new Encoding.Plain(kept.dtype()))
                  && kept.elements() == mask.kept();
          case Values.Codes(byte[] kept, Tensor scales, byte[] zeros) ->
              encoding.values() instanceof Encoding.Grouped(var scheme, var type, _)
                  && kept.length == mask.kept()
                  && scales.dtype() == type
                  && scales.elements() == (long) rows * scheme.groups(columns)
                  && (scheme.symmetric()
                      ? zeros == null
                      : zeros != null && zeros.length == scales.elements());
        };
    if (!fits) {
      throw new LatheException(
          "a %d x %d weight of %s does not have these values"
              .formatted(rows, columns, encoding.label()));
    }
  }

  /** Nothing known of the input. */
  public Sparse(Encoding.Sparse encoding, Mask mask, Values values) {
    this(encoding, mask, values, Float.NaN);
  }

  /**
   * Leaves out what the mask does not keep, whatever it is.
   *
   * @param weight {@link Dense} or {@link GroupQuantized} of consecutive groups
   * @param mask follows the pattern
   */
  public static Sparse of(LinearWeight weight, Mask mask, Pattern pattern) {
    int rows = weight.rows();
    int columns = weight.columns();
    long zeros = (long) rows * columns - mask.kept();
    var encoding =
        Encoding.Sparse.withZeros(pattern, zeros, (long) rows * columns, weight.encoding());
    return switch (weight) {
      case Dense(Tensor tensor) -> {
        var kept = new float[Math.toIntExact(mask.kept())];
        var row = new float[columns];
        int at = 0;
        for (int i = 0; i < rows; i++) {
          tensor.copyFloats((long) i * columns, row, 0, columns);
          for (int j = 0; j < columns; j++) {
            if (mask.keeps(i, j)) {
              kept[at++] = row[j];
            }
          }
        }
        // They were of this type before, so nothing is rounded.
        var stored = Tensor.ofFloats(kept, kept.length).to(tensor.dtype(), Arena.ofAuto());
        yield new Sparse(encoding, mask, new Values.Floats(stored));
      }
      case GroupQuantized quantized when quantized.groupIndex() == null -> {
        var kept = new byte[Math.toIntExact(mask.kept())];
        int at = 0;
        for (int i = 0; i < rows; i++) {
          for (int j = 0; j < columns; j++) {
            if (mask.keeps(i, j)) {
              kept[at++] = quantized.codes()[i * columns + j];
            }
          }
        }
        var codes = new Values.Codes(kept, quantized.scales(), quantized.zeros());
        yield new Sparse(encoding, mask, codes, quantized.inputScale());
      }
      default ->
          throw new LatheException(
              "weights of " + weight.encoding().label() + " cannot be stored sparsely");
    };
  }

  /** The same weight with its zeros, in the encoding of its values. */
  public LinearWeight dense() {
    int rows = rows();
    int columns = columns();
    return switch (values) {
      case Values.Floats(Tensor kept) -> {
        var all = Tensor.ofFloats(decode().values(), rows, columns);
        yield new Dense(all.to(kept.dtype(), Arena.ofAuto()));
      }
      case Values.Codes(byte[] kept, Tensor scales, byte[] zeros) -> {
        var scheme = ((Encoding.Grouped) encoding.values()).scheme();
        int groups = scheme.groups(columns);
        int size = scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
        var codes = new byte[Math.multiplyExact(rows, columns)];
        int at = 0;
        for (int i = 0; i < rows; i++) {
          for (int j = 0; j < columns; j++) {
            boolean there = mask.keeps(i, j);
            byte zero = zeros == null ? 0 : zeros[i * groups + j / size];
            codes[i * columns + j] = there ? kept[at++] : zero;
          }
        }
        yield new GroupQuantized(scheme, rows, columns, codes, scales, zeros, null, inputScale);
      }
    };
  }

  @Override
  public int rows() {
    return mask.rows();
  }

  @Override
  public int columns() {
    return mask.columns();
  }

  @Override
  public Sparse withInputScale(float scale) {
    return new Sparse(encoding, mask, values, scale);
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    rowDecoder().decode(from, to, target, offset);
  }

  @Override
  public RowDecoder rowDecoder() {
    int columns = columns();
    return switch (values) {
      case Values.Floats(Tensor kept) -> {
        var row = new float[columns];
        yield (from, to, target, offset) -> {
          Arrays.fill(target, offset, offset + (to - from) * columns, 0);
          for (int i = from; i < to; i++) {
            int out = offset + (i - from) * columns;
            kept.copyFloats(mask.keptBefore(i), row, 0, mask.kept(i, 0, columns));
            int at = 0;
            for (int word = 0; word < mask.words(); word++) {
              for (long left = mask.word(i, word); left != 0; left &= left - 1) {
                target[out + 64 * word + Long.numberOfTrailingZeros(left)] = row[at++];
              }
            }
          }
        };
      }
      case Values.Codes codes -> {
        var scheme = ((Encoding.Grouped) encoding.values()).scheme();
        int groups = scheme.groups(columns);
        int size = scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
        var scale = new float[groups];
        var kept = codes.kept();
        var zeros = codes.zeros();
        yield (from, to, target, offset) -> {
          Arrays.fill(target, offset, offset + (to - from) * columns, 0);
          for (int i = from; i < to; i++) {
            int out = offset + (i - from) * columns;
            codes.scales().copyFloats((long) i * groups, scale, 0, groups);
            int at = (int) mask.keptBefore(i);
            for (int word = 0; word < mask.words(); word++) {
              for (long left = mask.word(i, word); left != 0; left &= left - 1) {
                int j = 64 * word + Long.numberOfTrailingZeros(left);
                int zero = zeros == null ? 0 : zeros[i * groups + j / size];
                target[out + j] = scale[j / size] * (kept[at++] - zero);
              }
            }
          }
        };
      }
    };
  }
}
