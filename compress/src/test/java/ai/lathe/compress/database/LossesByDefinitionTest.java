package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.allocation.Measure;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Matrix;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LossesByDefinitionTest {

  private static final int ROWS = 6;
  private static final int COLUMNS = 5;
  private static final int TOKENS = 7;

  private final Random random = new Random(3);

  private Matrix random(int rows, int columns) {
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < matrix.values().length; i++) {
      matrix.values()[i] = (float) random.nextGaussian();
    }
    return matrix;
  }

  /** From the inputs themselves, token by token. */
  @Test
  void lossesAreWhatTheyAreSaidToBe() {
    var weight = random(ROWS, COLUMNS);
    var level = random(ROWS, COLUMNS);
    var inputs = random(TOKENS, COLUMNS);
    var fisher = new float[ROWS];
    for (int i = 0; i < ROWS; i++) {
      fisher[i] = random.nextFloat();
    }
    var gram = Matrix.zeros(COLUMNS, COLUMNS);
    for (int j = 0; j < COLUMNS; j++) {
      for (int k = 0; k < COLUMNS; k++) {
        for (int t = 0; t < TOKENS; t++) {
          gram.set(j, k, gram.at(j, k) + inputs.at(t, j) * inputs.at(t, k));
        }
      }
    }
    double[] lost = new double[4];
    double[] total = new double[4];
    for (int i = 0; i < ROWS; i++) {
      for (int t = 0; t < TOKENS; t++) {
        double error = 0;
        double output = 0;
        for (int j = 0; j < COLUMNS; j++) {
          double difference = weight.at(i, j) - level.at(i, j);
          error += difference * inputs.at(t, j);
          output += weight.at(i, j) * inputs.at(t, j);
          lost[2] += Math.pow(difference * inputs.at(t, j), 2);
          total[2] += Math.pow(weight.at(i, j) * inputs.at(t, j), 2);
        }
        lost[0] += error * error;
        total[0] += output * output;
        lost[3] += fisher[i] * error * error / 2 / TOKENS;
      }
      for (int j = 0; j < COLUMNS; j++) {
        lost[1] += Math.pow(weight.at(i, j) - level.at(i, j), 2);
        total[1] += Math.pow(weight.at(i, j), 2);
      }
    }
    var losses = new LayerLosses(weight, gram, TOKENS, Optional.of(fisher)).of(Dense.of(level));
    assertThat(losses.get(Measure.OUTPUT)).isCloseTo(lost[0] / total[0], within(1e-5));
    assertThat(losses.get(Measure.WEIGHT)).isCloseTo(lost[1] / total[1], within(1e-5));
    assertThat(losses.get(Measure.HESSIAN)).isCloseTo(lost[2] / total[2], within(1e-5));
    assertThat(losses.get(Measure.FISHER)).isCloseTo(lost[3], within(1e-5 * lost[3]));
  }

  @Test
  void nothingIsLostByTheWeightItself() {
    var weight = random(ROWS, COLUMNS);
    var none = new LayerLosses(weight, Matrix.zeros(COLUMNS, COLUMNS), 0, Optional.empty());
    assertThat(none.of(Dense.of(weight)).get(Measure.OUTPUT)).isZero();
    assertThat(none.of(Dense.of(random(ROWS, COLUMNS))).get(Measure.OUTPUT)).isZero();
    assertThat(none.of(Dense.of(weight))).doesNotContainKey(Measure.FISHER);
  }
}
