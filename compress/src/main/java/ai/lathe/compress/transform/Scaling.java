package ai.lathe.compress.transform;

import ai.lathe.model.Address;
import java.util.List;

/**
 * A producer of one block and all layers that read it: a {@link
 * ai.lathe.model.architecture.ScalingSet} by address.
 *
 * @param producer a norm's weight or a matrix
 * @param consumers matrices of one width
 * @param features the producer's output feature that each input of the consumers comes from, {@code
 *     [in]}. Under grouped-query attention several inputs come from one
 * @param outputs of the producer
 */
record Scaling(Address producer, List<Address> consumers, int[] features, int outputs) {

  /** One value for each input of the consumers, from one for each output of the producer. */
  float[] ofInputs(float[] ofOutputs) {
    var values = new float[features.length];
    for (int j = 0; j < values.length; j++) {
      values[j] = ofOutputs[features[j]];
    }
    return values;
  }

  /** Raises each output's value to the largest that its inputs have. */
  void widen(float[] ofOutputs, float[] ofInputs) {
    for (int j = 0; j < ofInputs.length; j++) {
      ofOutputs[features[j]] = Math.max(ofOutputs[features[j]], ofInputs[j]);
    }
  }
}
