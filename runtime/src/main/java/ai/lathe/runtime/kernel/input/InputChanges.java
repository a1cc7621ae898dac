package ai.lathe.runtime.kernel.input;

import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Rotated;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Matrices that change their input first, of one provider: those that change it alike share what
 * was made of it.
 */
public final class InputChanges {

  private final Map<InputChange, InputForm.Kind<ChangedInput>> kinds = new ConcurrentHashMap<>();

  /**
   * {@code y = inner (Hb x)}.
   *
   * @param inner of {@link Rotated#inner}
   */
  public PackedMatrix rotated(Rotated weight, PackedMatrix inner) {
    return new ChangedInputMatrix(inner, kind(new Rotation(weight.size())));
  }

  /**
   * A matrix whose input is rounded as the weight's {@link Activations} say; the given one itself
   * where they say nothing.
   *
   * @param inner of the weight, for float32 inputs that are already rounded
   */
  public PackedMatrix rounded(LinearWeight weight, PackedMatrix inner) {
    var activations = weight.activations();
    if (activations instanceof Activations.None) {
      return inner;
    }
    var rounding = Rounding.of(activations, weight.inputScale(), weight.columns());
    return new ChangedInputMatrix(inner, kind(rounding));
  }

  private InputForm.Kind<ChangedInput> kind(InputChange change) {
    return kinds.computeIfAbsent(
        change, c -> new InputForm.Kind<>(c.label(), () -> new ChangedInput(c)));
  }
}
