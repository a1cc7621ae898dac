package ai.lathe.torch;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Of each input feature: the sums of itself, its squares and magnitudes, in float64, and its range.
 */
public final class FeatureAccumulator implements InputStatistic {

  private final double[] squares;
  private final double[] magnitudes;
  private final double[] sums;
  private final float[] least;
  private final float[] greatest;
  private final TokenRows rows;

  /**
   * @param size input features
   */
  public FeatureAccumulator(int size) {
    squares = new double[size];
    magnitudes = new double[size];
    sums = new double[size];
    least = new float[size];
    greatest = new float[size];
    Arrays.fill(least, Float.POSITIVE_INFINITY);
    Arrays.fill(greatest, Float.NEGATIVE_INFINITY);
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
    if (x.size(0) == 0) {
      return;
    }
    try (var _ = new PointerScope()) {
      sum(x.square(), squares);
      sum(x.abs(), magnitudes);
      sum(x, sums);
      var low = Torch.floats(x.amin(new long[] {0}, false));
      var high = Torch.floats(x.amax(new long[] {0}, false));
      for (int i = 0; i < low.length; i++) {
        least[i] = Math.min(least[i], low[i]);
        greatest[i] = Math.max(greatest[i], high[i]);
      }
    }
  }

  private static void sum(Tensor terms, double[] sums) {
    var batch = terms.sum(new long[] {0}, false, new ScalarTypeOptional(ScalarType.Double));
    var memory = Torch.memory(batch);
    for (int i = 0; i < sums.length; i++) {
      sums[i] += memory.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
    }
  }

  @Override
  public float[] squaredNorm() {
    return floats(squares, 1);
  }

  /** Mean of {@code |x|} over the tokens, {@code [in]}; NaN without tokens. */
  public float[] meanMagnitude() {
    return floats(magnitudes, tokens());
  }

  /** Mean over the tokens, {@code [in]}; NaN without tokens. */
  public float[] mean() {
    return floats(sums, tokens());
  }

  /** {@code [in]}; infinite without tokens. */
  public float[] least() {
    return least.clone();
  }

  /** {@code [in]}; infinite without tokens. */
  public float[] greatest() {
    return greatest.clone();
  }

  private static float[] floats(double[] sums, double divisor) {
    var floats = new float[sums.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) (sums[i] / divisor);
    }
    return floats;
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
