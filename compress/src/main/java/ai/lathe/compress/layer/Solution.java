package ai.lathe.compress.layer;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A compressed layer.
 *
 * @param shift what is to be added to the layer's bias, {@code [out]}; empty where that stays as it
 *     is
 * @param fallbacks what did not go as configured, one sentence each (dampening raised, rounding to
 *     nearest instead); empty where all went as configured
 */
public record Solution(LinearWeight weight, Optional<float[]> shift, List<String> fallbacks) {

  public Solution(LinearWeight weight, List<String> fallbacks) {
    this(weight, Optional.empty(), fallbacks);
  }

  /** With the bias that keeps the mean of the outputs, whatever was done to the weight. */
  public Solution keepingMean(Matrix original, float[] inputMean) {
    var decoded = weight.decode();
    var shift = new float[original.rows()];
    for (int i = 0; i < shift.length; i++) {
      double sum = 0;
      for (int j = 0; j < inputMean.length; j++) {
        sum += ((double) original.at(i, j) - decoded.at(i, j)) * inputMean[j];
      }
      shift[i] = (float) sum;
    }
    return new Solution(weight, Optional.of(shift), fallbacks);
  }

  /**
   * As it will be stored: zeros are written out, and products multiplied out, where the encoding
   * has none of its own.
   */
  public Solution in(Encoding encoding) {
    return new Solution(stored(weight, encoding), shift, fallbacks);
  }

  private static LinearWeight stored(LinearWeight weight, Encoding encoding) {
    return switch (weight) {
      case Sparse sparse when !(encoding instanceof Encoding.Sparse) -> sparse.dense();
      case Sum(var parts) when encoding instanceof Encoding.Sum(var encodings) ->
          new Sum(
              IntStream.range(0, parts.size())
                  .mapToObj(i -> stored(parts.get(i), encodings.get(i)))
                  .toList());
      case Product product when encoding instanceof Encoding.Plain(DType type) ->
          new Dense(Dense.of(product.decode()).tensor().to(type, Arena.ofAuto()));
      default -> weight;
    };
  }
}
