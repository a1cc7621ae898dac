package ai.lathe.compress.layer;

import ai.lathe.tensor.Matrix;
import java.util.Random;

/** Layers without structure, for the mathematics of solvers. */
public final class RandomLayers {

  private RandomLayers() {}

  /** Values of mean 0 and variance 1. */
  public static Matrix gaussian(int rows, int columns, long seed) {
    var random = new Random(seed);
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < matrix.values().length; i++) {
      matrix.values()[i] = (float) random.nextGaussian();
    }
    return matrix;
  }
}
