package ai.lathe.format;

import ai.lathe.tensor.Tensor;
import java.util.Map;
import java.util.Set;

/** Tensors in memory. */
public record MapSource(Map<String, Tensor> tensors) implements TensorSource {

  @Override
  public Set<String> names() {
    return tensors.keySet();
  }

  @Override
  public TensorInfo info(String name) {
    var tensor = tensor(name);
    return new TensorInfo(name, tensor.dtype(), tensor.shape());
  }

  @Override
  public Tensor tensor(String name) {
    var tensor = tensors.get(name);
    if (tensor == null) {
      throw new FormatException("no tensor '" + name + "'");
    }
    return tensor;
  }

  @Override
  public void close() {}
}
