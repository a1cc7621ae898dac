package ai.lathe.format;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Tensor;

/**
 * What a file says of a tensor before its data are touched. @param shape outermost dimension first
 */
public record TensorInfo(String name, DType dtype, long[] shape) {

  public long bytes() {
    return dtype.bytes(Tensor.elements(shape));
  }
}
