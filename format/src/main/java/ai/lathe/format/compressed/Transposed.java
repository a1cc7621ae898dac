package ai.lathe.format.compressed;

import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;

/** Layers that are stored inputs first, {@code [in, out]}, as GPTQ and AWQ checkpoints do. */
public final class Transposed {

  private Transposed() {}

  /** {@code [rows, columns]} to {@code [columns, rows]}. */
  public static byte[] of(byte[] values, int rows, int columns) {
    var transposed = new byte[values.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        transposed[j * rows + i] = values[i * columns + j];
      }
    }
    return transposed;
  }

  /** {@code [rows, columns]} to {@code [columns, rows]}. */
  public static float[] of(float[] values, int rows, int columns) {
    var transposed = new float[values.length];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        transposed[j * rows + i] = values[i * columns + j];
      }
    }
    return transposed;
  }

  /** The scales of a stored layer, {@code [groups, out]}, checked for their number. */
  public static Tensor scales(Layer layer, String suffix, int rows, int groups) {
    var scales = layer.source().tensor(layer.prefix() + suffix);
    if (!scales.dtype().isFloat() || scales.elements() != (long) rows * groups) {
      throw layer.wrong(suffix, "one float for each of " + groups + " x " + rows, scales);
    }
    return scales;
  }

  /**
   * The weight of what was read. Its scheme is symmetric where all zero points are in the middle.
   *
   * @param codes {@code [in, out]}
   * @param zeros {@code [groups, out]}
   * @param scales {@code [groups, out]} of any floating type
   * @param groupIndex null where groups are consecutive
   */
  public static GroupQuantized weight(
      IntegerScheme scheme,
      int rows,
      int columns,
      byte[] codes,
      byte[] zeros,
      Tensor scales,
      int[] groupIndex) {
    int groups = scheme.groups(columns);
    boolean symmetric = true;
    for (byte zero : zeros) {
      symmetric &= zero == 0;
    }
    var turned = Tensor.ofFloats(of(scales.toFloats(), groups, rows), rows, groups);
    return new GroupQuantized(
        new IntegerScheme(scheme.bits(), scheme.groupSize(), symmetric, scheme.activations()),
        rows,
        columns,
        of(codes, columns, rows),
        turned.to(scales.dtype(), Arena.ofAuto()),
        symmetric ? null : of(zeros, groups, rows),
        groupIndex);
  }
}
