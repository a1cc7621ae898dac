package ai.lathe.compress.layer;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A compressed layer.
 *
 * @param fallbacks what did not go as configured, one sentence each (dampening raised, rounding to
 *     nearest instead); empty where all went as configured
 */
public record Solution(LinearWeight weight, List<String> fallbacks) {

  /**
   * As it will be stored: zeros are written out, and products multiplied out, where the encoding
   * has none of its own.
   */
  public Solution in(Encoding encoding) {
    return new Solution(stored(weight, encoding), fallbacks);
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
