package ai.lathe.model.checkpoint;

import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;

/**
 * How a tensor's values in GGUF differ from Hugging Face's.
 *
 * @param rows how its rows are reordered, or null
 * @param offset what is added to every element of a vector
 */
record GgufForm(RowPermutation rows, double offset) {

  /** Into GGUF, or out of it. */
  static GgufForm of(
      Address address, Architecture architecture, ModelConfig config, boolean toGguf) {
    var parameter = architecture.parameter(address.role());
    boolean shifted = parameter.kind() == Kind.NORM && address.part() == Part.WEIGHT;
    double offset = shifted ? architecture.normOffset() : 0;
    return new GgufForm(RowPermutation.of(parameter, config, toGguf), toGguf ? offset : -offset);
  }

  LinearWeight matrix(LinearWeight weight) {
    return rows == null ? weight : rows.apply(weight);
  }

  Tensor vector(Tensor vector) {
    var shifted = offset == 0 ? vector : shift(vector);
    return rows == null ? shifted : rows.apply(shifted);
  }

  private Tensor shift(Tensor vector) {
    var values = vector.toFloats();
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (values[i] + offset);
    }
    return Tensor.ofFloats(values, vector.shape());
  }
}
