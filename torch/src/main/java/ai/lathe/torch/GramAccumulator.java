package ai.lathe.torch;

import ai.lathe.tensor.Matrix;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Sums {@code H = X X^T [in, in]} over calibration batches: products in float32 over some thousand
 * tokens, sums of those in float64. Only the upper triangle is computed and held, in strips of rows
 * that begin at the diagonal.
 */
public final class GramAccumulator implements InputStatistic {

  /** Rows of a strip: wide enough for full speed, narrow enough to skip most of the triangle. */
  private static final int STRIP = 512;

  private final int size;
  private final List<Tensor> strips = new ArrayList<>();
  private final TokenRows rows;

  /**
   * @param size input features
   */
  public GramAccumulator(int size) {
    this.size = size;
    this.rows = new TokenRows(size);
    for (int first = 0; first < size; first += STRIP) {
      int at = first;
      strips.add(Torch.owned(() -> Torch.empty(ScalarType.Double, height(at), size - at).zero_()));
    }
  }

  private int height(int first) {
    return Math.min(STRIP, size - first);
  }

  @Override
  public void add(Tensor input, Tensor padding) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      rows.forEach(input, padding, this::add);
    }
  }

  private void add(Tensor x) {
    for (int i = 0; i < strips.size(); i++) {
      try (var _ = new PointerScope()) {
        int first = i * STRIP;
        var left = x.narrow(1, first, height(first));
        var right = x.narrow(1, first, size - first);
        strips.get(i).add_(torch.mm(left.t(), right));
      }
    }
  }

  /** {@code H}, rounded to float32. */
  public Matrix gram() {
    var gram = Matrix.zeros(size, size);
    for (int i = 0; i < strips.size(); i++) {
      int first = i * STRIP;
      int width = size - first;
      var strip = Torch.memory(strips.get(i));
      for (int row = 0; row < height(first); row++) {
        for (int column = row; column < width; column++) {
          float value =
              (float) strip.getAtIndex(ValueLayout.JAVA_DOUBLE, (long) row * width + column);
          gram.set(first + row, first + column, value);
          gram.set(first + column, first + row, value);
        }
      }
    }
    return gram;
  }

  @Override
  public float[] squaredNorm() {
    var diagonal = new float[size];
    for (int i = 0; i < strips.size(); i++) {
      int first = i * STRIP;
      var strip = Torch.memory(strips.get(i));
      for (int row = 0; row < height(first); row++) {
        long at = (long) row * (size - first) + row;
        diagonal[first + row] = (float) strip.getAtIndex(ValueLayout.JAVA_DOUBLE, at);
      }
    }
    return diagonal;
  }

  @Override
  public long tokens() {
    return rows.tokens();
  }

  @Override
  public int skipped() {
    return rows.skipped();
  }

  /** Bytes that an accumulator for {@code size} inputs holds. */
  public static long bytes(int size) {
    long bytes = 0;
    for (int first = 0; first < size; first += STRIP) {
      bytes += 8L * Math.min(STRIP, size - first) * (size - first);
    }
    return bytes;
  }

  @Override
  public void close() {
    strips.forEach(Tensor::close);
  }
}
