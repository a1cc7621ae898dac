package ai.lathe.compress.pruning;

import static ai.lathe.compress.layer.RandomLayers.gaussian;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import java.util.Random;

/** A random layer whose inputs have a few causes and very different sizes. */
record PaperLayers(Layer layer, LayerStatistics statistics) {

  static PaperLayers of(int out, int in, long seed) {
    var x = gaussian(in, 4 * in, seed + 1);
    Gemm.add(
        View.of(x),
        View.of(gaussian(in, in / 4, seed + 2)),
        View.of(gaussian(in / 4, 4 * in, seed + 3)));
    var random = new Random(seed + 4);
    for (int i = 0; i < in; i++) {
      float size = (float) Math.exp(0.5 * random.nextGaussian());
      for (int t = 0; t < 4 * in; t++) {
        x.set(i, t, x.at(i, t) * size);
      }
    }
    var gram = Matrix.zeros(in, in);
    Gemm.add(View.of(gram), View.of(x), View.of(x).transposed());
    return new PaperLayers(
        new Layer("block.0.linear", gaussian(out, in, seed)), LayerStatistics.of(4L * in, gram));
  }

  Matrix weight() {
    return layer.weight();
  }

  Matrix gram() {
    return statistics.gram().orElseThrow();
  }

  /** {@code sum of h_j (W - C)_ij^2}. */
  double weighted(LinearWeight compressed) {
    var squares = statistics.squaredNorm().orElseThrow();
    var values = compressed.decode().values();
    double sum = 0;
    for (int i = 0; i < values.length; i++) {
      double error = weight().values()[i] - values[i];
      sum += squares[i % squares.length] * error * error;
    }
    return sum;
  }
}
