package ai.lathe.torch;

import ai.lathe.tensor.LatheException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The border to LibTorch: threads, native memory, and plain numbers in and out. */
public final class Torch {

  private Torch() {}

  /**
   * Threads that one operation may use, for the whole process. Results are reproducible bit by bit
   * for one number of threads, not between different numbers.
   */
  public static void threads(int threads) {
    if (threads < 1) {
      throw new LatheException("threads must be 1 or more, not " + threads);
    }
    // Matrix products come from OpenBLAS, which has a pool of its own.
    openblas.blas_set_num_threads(threads);
    torch.set_num_threads(threads);
  }

  /**
   * Runs an operation that has its own threads multiply many small matrices. Were each of those
   * products shared out among threads again, they would wait for each other most of the time.
   */
  public static <T> T oneThreadAProduct(Supplier<T> operation) {
    int threads = openblas.blas_get_num_threads();
    openblas.blas_set_num_threads(1);
    try {
      return operation.get();
    } finally {
      openblas.blas_set_num_threads(threads);
    }
  }

  /**
   * Gradients of a loss whose computation is mostly attention: its kernel shares heads out among
   * threads by itself, so each product gets one thread. With several a step takes many times as
   * long.
   */
  public static void backwardThroughAttention(Tensor loss) {
    oneThreadAProduct(
        () -> {
          loss.backward();
          return loss;
        });
  }

  public static int threads() {
    return torch.get_num_threads();
  }

  /**
   * Runs a computation whose intermediate tensors are freed when it ends; its result belongs to the
   * caller's scope.
   */
  public static Tensor scoped(Supplier<Tensor> computation) {
    var result = owned(computation);
    var caller = PointerScope.getInnerScope();
    if (caller != null) {
      caller.attach(result);
      result.releaseReference();
    }
    return result;
  }

  /**
   * Likewise, but the result belongs to no scope: the caller closes it, or loses its memory until
   * the collector finds it.
   */
  public static Tensor owned(Supplier<Tensor> computation) {
    try (var _ = new PointerScope()) {
      var result = computation.get();
      result.retainReference();
      return result;
    }
  }

  /** A float32 tensor of these values, copied. */
  public static Tensor ofFloats(float[] values, long... shape) {
    var tensor = empty(ScalarType.Float, shape);
    MemorySegment.copy(values, 0, memory(tensor), ValueLayout.JAVA_FLOAT, 0, values.length);
    return tensor;
  }

  /** An int64 tensor {@code [batch, tokens]} of rows of equal length. */
  public static Tensor ofTokens(int[][] tokens) {
    int length = tokens.length == 0 ? 0 : tokens[0].length;
    var tensor = empty(ScalarType.Long, tokens.length, length);
    var memory = memory(tensor);
    long at = 0;
    for (var row : tokens) {
      for (int token : row) {
        memory.setAtIndex(ValueLayout.JAVA_LONG, at++, token);
      }
    }
    return tensor;
  }

  /** All elements as float32, row-major. */
  public static float[] floats(Tensor tensor) {
    var values = new float[Math.toIntExact(tensor.numel())];
    copy(tensor, values, 0);
    return values;
  }

  /** Copies all elements, row-major, to {@code target[offset ..]}. */
  public static void copy(Tensor tensor, float[] target, int offset) {
    try (var _ = new PointerScope()) {
      var plain = tensor.detach().to(ScalarType.Float).contiguous();
      int count = Math.toIntExact(plain.numel());
      MemorySegment.copy(memory(plain), ValueLayout.JAVA_FLOAT, 0, target, offset, count);
    }
  }

  /** Whether there is neither NaN nor infinity in it. */
  public static boolean finite(Tensor tensor) {
    try (var _ = new PointerScope()) {
      return torch.isfinite(tensor.detach()).all().item_bool();
    }
  }

  /** Memory that somebody else owns as a float32 tensor; it must outlive the tensor. */
  public static Tensor view(MemorySegment memory, long... shape) {
    return torch.from_blob(new Memory(memory), shape, new TensorOptions(ScalarType.Float));
  }

  static Tensor empty(ScalarType type, long... shape) {
    return torch.empty(shape, new TensorOptions(type), null);
  }

  /** The elements of a contiguous tensor, as long as it lives. */
  public static MemorySegment memory(Tensor tensor) {
    return MemorySegment.ofAddress(tensor.data_ptr().address())
        .reinterpret(Math.multiplyExact(tensor.numel(), tensor.element_size()));
  }
}
