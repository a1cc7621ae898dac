package ai.lathe.compress.factorization;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;

/**
 * What a layer loses at a level, not squared.
 *
 * @param output {@code ||(W - Q) X|| / ||W X||}; NaN where nothing is known of the inputs
 * @param weight {@code ||W - Q|| / ||W||}
 */
public record RelativeErrors(double output, double weight) {

  /** Of a level that was made; a layer that gives nothing loses nothing. */
  static RelativeErrors of(Matrix weight, LinearWeight level, LayerStatistics statistics) {
    var decoded = level.decode().values();
    var original = weight.values();
    double lost = 0;
    double total = 0;
    for (int i = 0; i < original.length; i++) {
      double difference = (double) original[i] - decoded[i];
      lost += difference * difference;
      total += (double) original[i] * original[i];
    }
    double output =
        statistics
            .gram()
            .map(gram -> total(OutputError.relative(weight, level, gram)))
            .orElse(Double.NaN);
    return new RelativeErrors(output, total == 0 ? 0 : Math.sqrt(lost / total));
  }

  private static double total(double squared) {
    return Double.isNaN(squared) ? 0 : Math.sqrt(Math.max(0, squared));
  }
}
