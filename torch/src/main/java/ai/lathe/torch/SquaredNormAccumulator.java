package ai.lathe.torch;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Sums the squares of each input feature, in float64. */
public final class SquaredNormAccumulator implements InputStatistic {

  private final double[] sums;
  private final TokenRows rows;

  /**
   * @param size input features
   */
  public SquaredNormAccumulator(int size) {
    sums = new double[size];
    rows = new TokenRows(size);
  }

  @Override
  public void add(Tensor input, Tensor padding) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      rows.forEach(input, padding, this::add);
    }
  }

  private void add(Tensor x) {
    try (var _ = new PointerScope()) {
      var squares =
          x.square().sum(new long[] {0}, false, new ScalarTypeOptional(ScalarType.Double));
      MemorySegment sum = Torch.memory(squares);
      for (int i = 0; i < sums.length; i++) {
        sums[i] += sum.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
      }
    }
  }

  @Override
  public float[] squaredNorm() {
    var norms = new float[sums.length];
    for (int i = 0; i < norms.length; i++) {
      norms[i] = (float) sums[i];
    }
    return norms;
  }

  @Override
  public long tokens() {
    return rows.tokens();
  }

  @Override
  public int skipped() {
    return rows.skipped();
  }

  /** Holds nothing native. */
  @Override
  public void close() {}
}
