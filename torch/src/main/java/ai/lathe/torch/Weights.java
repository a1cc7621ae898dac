package ai.lathe.torch;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Lathe's weights as LibTorch's tensors. Results belong to the caller's scope. */
final class Weights {

  /** Values that one task of a parallel decode makes; a row at least. */
  private static final int CHUNK = 1 << 18;

  private Weights() {}

  /**
   * {@code [out, in]}. Mapped weights of the type wanted are used where they lie and must stay
   * mapped; everything else is decoded.
   */
  static Tensor of(LinearWeight weight, Precision precision) {
    if (weight instanceof Dense(var tensor)) {
      var type = plainType(tensor.dtype());
      if (type != null) {
        return of(tensor, type).to(precision.type());
      }
    }
    return decode(weight).to(precision.type());
  }

  /** A vector in float32. */
  static Tensor vector(ai.lathe.tensor.Tensor vector) {
    return Torch.ofFloats(vector.toFloats(), vector.elements());
  }

  private static ScalarType plainType(DType type) {
    return switch (type) {
      case F32 -> ScalarType.Float;
      case BF16 -> ScalarType.BFloat16;
      case F16 -> ScalarType.Half;
      default -> null;
    };
  }

  private static Tensor of(ai.lathe.tensor.Tensor tensor, ScalarType type) {
    var data = tensor.data();
    int alignment = tensor.dtype().bits() / 8;
    if (data.isNative() && data.address() % alignment == 0) {
      return torch.from_blob(new Memory(data), tensor.shape(), new TensorOptions(type));
    }
    var copy = Torch.empty(type, tensor.shape());
    Torch.memory(copy).copyFrom(data);
    return copy;
  }

  private static Tensor decode(LinearWeight weight) {
    int rows = weight.rows();
    int columns = weight.columns();
    var tensor = Torch.empty(ScalarType.Float, rows, columns);
    var target = Torch.memory(tensor);
    int step = Math.clamp(CHUNK / Math.max(1, columns), 1, Math.max(1, rows));
    IntStream.range(0, Math.ceilDiv(rows, step))
        .parallel()
        .forEach(
            chunk -> {
              int from = chunk * step;
              int to = Math.min(rows, from + step);
              var values = new float[(to - from) * columns];
              weight.decodeRows(from, to, values, 0);
              MemorySegment.copy(
                  values,
                  0,
                  target,
                  ValueLayout.JAVA_FLOAT,
                  (long) from * columns * Float.BYTES,
                  values.length);
            });
    return tensor;
  }
}
