package ai.lathe.format;

import ai.lathe.tensor.Tensor;
import java.util.Set;

/**
 * Named plain tensors in one or several mapped files. A tensor stays valid until the source is
 * closed.
 */
public interface TensorSource extends AutoCloseable {

  /** All names, in file order. */
  Set<String> names();

  /** Throws {@link FormatException} where there is no such tensor. */
  TensorInfo info(String name);

  /**
   * The tensor over mapped memory, nothing copied. Throws {@link FormatException} where there is
   * none of that name.
   */
  Tensor tensor(String name);

  @Override
  void close();
}
