package ai.lathe.compress.layer;

import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Sparse;
import java.util.List;

/**
 * A compressed layer.
 *
 * @param fallbacks what did not go as configured, one sentence each (dampening raised, rounding to
 *     nearest instead); empty where all went as configured
 */
public record Solution(LinearWeight weight, List<String> fallbacks) {

  /** As it will be stored: zeros are written out where the encoding has none of its own. */
  public Solution in(Encoding encoding) {
    return weight instanceof Sparse sparse && !(encoding instanceof Encoding.Sparse)
        ? new Solution(sparse.dense(), fallbacks)
        : this;
  }
}
