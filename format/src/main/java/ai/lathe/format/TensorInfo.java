package ai.lathe.format;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.util.Arrays;

/**
 * What a file says of a tensor before its data are touched.
 *
 * @param shape outermost dimension first
 */
public record TensorInfo(String name, DType dtype, long[] shape) {

  /** Throws {@link LatheException} where the shape overflows or ends within a byte. */
  public long bytes() {
    long bits;
    try {
      bits = Math.multiplyExact(Tensor.elements(shape), dtype.bits());
    } catch (ArithmeticException e) {
      throw new LatheException("tensor " + this + " is too large", e);
    }
    if (bits % 8 != 0) {
      throw new LatheException("tensor " + this + " ends within a byte");
    }
    return bits / 8;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TensorInfo(String otherName, DType otherType, long[] otherShape)
        && name.equals(otherName)
        && dtype == otherType
        && Arrays.equals(shape, otherShape);
  }

  @Override
  public int hashCode() {
    return name.hashCode() * 31 + Arrays.hashCode(shape);
  }

  @Override
  public String toString() {
    return "'" + name + "' " + dtype + Arrays.toString(shape);
  }
}
