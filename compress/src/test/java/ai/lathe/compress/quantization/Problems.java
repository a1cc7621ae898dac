package ai.lathe.compress.quantization;

import static ai.lathe.compress.layer.RandomLayers.gaussian;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.Random;

/** Random layers and Gram matrices to solve. */
public final class Problems {

  private Problems() {}

  public static Layer layer(int rows, int columns, long seed) {
    return new Layer("block.0.linear", gaussian(rows, columns, seed));
  }

  /**
   * Gram matrix of correlated inputs of very different sizes: half of each comes from a few causes.
   */
  public static Matrix gram(int inputs, int tokens, long seed) {
    int causes = Math.max(1, inputs / 4);
    var x = gaussian(inputs, tokens, seed);
    Gemm.add(
        View.of(x),
        View.of(gaussian(inputs, causes, seed + 1)),
        View.of(gaussian(causes, tokens, seed + 2)));
    var random = new Random(seed + 3);
    for (int i = 0; i < inputs; i++) {
      float size = (float) Math.exp(0.5 * random.nextGaussian());
      for (int t = 0; t < tokens; t++) {
        x.set(i, t, x.at(i, t) * size);
      }
    }
    var h = Matrix.zeros(inputs, inputs);
    Gemm.add(View.of(h), View.of(x), View.of(x).transposed());
    for (int i = 0; i < inputs; i++) {
      for (int j = 0; j < i; j++) {
        h.set(i, j, h.at(j, i));
      }
    }
    return h;
  }

  public static LayerStatistics statistics(int inputs, long seed) {
    return LayerStatistics.of(4L * inputs, gram(inputs, 4 * inputs, seed));
  }

  public static IntegerGrid grid(int bits, int groupSize, boolean symmetric) {
    return grid(bits, groupSize, symmetric, ScaleSearch.MIN_MAX);
  }

  public static IntegerGrid grid(int bits, int groupSize, boolean symmetric, ScaleSearch search) {
    return new IntegerGrid(
        new IntegerScheme(bits, groupSize, symmetric, Activations.NONE), search, DType.F16);
  }
}
