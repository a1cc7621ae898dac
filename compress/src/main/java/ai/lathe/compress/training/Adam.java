package ai.lathe.compress.training;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;

/**
 * Kingma and Ba's optimiser with its usual constants, and Loshchilov and Hutter's decay of the
 * values themselves (AdamW).
 */
public final class Adam {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPSILON = 1e-8;

  private final Matrix gradient;
  private final Matrix values;
  private final float[] mean;
  private final float[] square;
  private final double rate;
  private final double decay;
  private int steps;

  /**
   * @param values what is trained, changed in place
   */
  public Adam(Matrix values, double rate) {
    this(values, rate, 0);
  }

  /**
   * @param decay share of a value that a step takes away, times the rate
   */
  public Adam(Matrix values, double rate, double decay) {
    this.values = values;
    this.rate = rate;
    this.decay = decay;
    this.gradient = Matrix.zeros(values.rows(), values.columns());
    this.mean = new float[values.values().length];
    this.square = new float[mean.length];
  }

  /** What the next step goes against, of the shape of the values; to be filled by the caller. */
  public Matrix gradient() {
    return gradient;
  }

  /** As if a value had never been trained. */
  public void forget(int i) {
    mean[i] = 0;
    square[i] = 0;
  }

  public void step() {
    step(1);
  }

  /**
   * @param share of the rate, for schedules
   */
  public void step(double share) {
    steps++;
    double unbias = Math.sqrt(1 - Math.pow(BETA2, steps));
    float factor = (float) (share * rate * unbias / (1 - Math.pow(BETA1, steps)));
    float epsilon = (float) (EPSILON * unbias);
    float kept = (float) (1 - share * rate * decay);
    int columns = values.columns();
    Parallel.forEach(
        values.rows(),
        row -> {
          for (int i = row * columns; i < (row + 1) * columns; i++) {
            float g = gradient.values()[i];
            mean[i] = (float) BETA1 * mean[i] + (float) (1 - BETA1) * g;
            square[i] = (float) BETA2 * square[i] + (float) (1 - BETA2) * g * g;
            values.values()[i] =
                kept * values.values()[i]
                    - factor * mean[i] / ((float) Math.sqrt(square[i]) + epsilon);
          }
        });
  }
}
