package ai.lathe.compress.pruning;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;

/** Kingma and Ba's optimiser, with its usual constants. */
final class Adam {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPSILON = 1e-8;

  final Matrix gradient;
  private final Matrix values;
  private final float[] mean;
  private final float[] square;
  private final double rate;
  private int steps;

  Adam(Matrix values, double rate) {
    this.values = values;
    this.rate = rate;
    this.gradient = Matrix.zeros(values.rows(), values.columns());
    this.mean = new float[values.values().length];
    this.square = new float[mean.length];
  }

  void forget(int i) {
    mean[i] = 0;
    square[i] = 0;
  }

  void step() {
    steps++;
    double unbias = Math.sqrt(1 - Math.pow(BETA2, steps));
    float factor = (float) (rate * unbias / (1 - Math.pow(BETA1, steps)));
    float epsilon = (float) (EPSILON * unbias);
    int columns = values.columns();
    Parallel.forEach(
        values.rows(),
        row -> {
          for (int i = row * columns; i < (row + 1) * columns; i++) {
            float g = gradient.values()[i];
            mean[i] = (float) BETA1 * mean[i] + (float) (1 - BETA1) * g;
            square[i] = (float) BETA2 * square[i] + (float) (1 - BETA2) * g * g;
            values.values()[i] -= factor * mean[i] / ((float) Math.sqrt(square[i]) + epsilon);
          }
        });
  }
}
