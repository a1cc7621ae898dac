package ai.lathe.model.checkpoint;

import ai.lathe.model.architecture.Parameter.Stack;
import ai.lathe.tensor.Tensor;

/**
 * Where a parameter is in a file.
 *
 * @param tensor that holds it
 * @param shape that the whole tensor has by the configuration: the parameter's own, or {@code
 *     [experts, parts * out, in]} where it holds those of all experts
 * @param first row of the parameter, the dimensions but the last taken as rows
 */
record Place(String tensor, long[] shape, long first) {

  /** A tensor for itself. */
  static Place own(String tensor, long[] shape) {
    return new Place(tensor, shape, 0);
  }

  /**
   * One expert's share.
   *
   * @param shape of the parameter, {@code [out, in]}
   */
  static Place stacked(String tensor, Stack stack, long[] shape, int experts, int expert) {
    return new Place(
        tensor,
        new long[] {experts, stack.parts() * shape[0], shape[1]},
        ((long) expert * stack.parts() + stack.part()) * shape[0]);
  }

  boolean isShared() {
    return shape.length == 3;
  }

  /** The parameter {@code [out, in]} out of the whole tensor, nothing copied. */
  Tensor of(Tensor whole, long[] parameter) {
    return isShared()
        ? whole.reshape(shape[0] * shape[1], shape[2]).rows(first, first + parameter[0])
        : whole;
  }
}
