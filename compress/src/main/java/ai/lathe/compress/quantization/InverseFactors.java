package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.util.HashMap;
import java.util.Map;

/**
 * The factorisations of one layer's Gram matrix, each made once, when it is first asked for, for
 * all layers that share the input.
 */
public final class InverseFactors {

  private record Key(boolean descending, double dampening) {}

  private final Matrix gram;
  private final Made made;

  /** What there is already. */
  private static final class Made {
    private final Map<Key, InverseFactor> factors = new HashMap<>();

    synchronized InverseFactor get(Key key, Matrix gram) {
      return factors.computeIfAbsent(
          key, _ -> InverseFactor.of(gram, key.descending(), key.dampening()));
    }
  }

  /**
   * Throws where weights or statistics are not finite.
   *
   * @param method that needs them, for messages
   */
  public InverseFactors(Layer layer, LayerStatistics statistics, String method) {
    layer.requireFinite();
    gram =
        statistics
            .gram()
            .orElseThrow(
                () -> new LatheException(layer.name() + ": " + method + " needs a Gram matrix"));
    statistics.requireFinite(layer.name());
    made = statistics.derived().get(Made.class, Made::new);
  }

  /** {@code H [in, in]}. */
  public Matrix gram() {
    return gram;
  }

  /**
   * See {@link InverseFactor#of}.
   *
   * @param descending inputs are taken in descending order of their squared norms
   */
  public InverseFactor get(boolean descending, double dampening) {
    return made.get(new Key(descending, dampening), gram);
  }

  /** As this level of GPTQ needs it. */
  public InverseFactor of(Gptq.Config level) {
    return get(level.order() != ColumnOrder.NONE, level.dampening());
  }
}
