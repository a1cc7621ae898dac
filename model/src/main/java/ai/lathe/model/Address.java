package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;

/**
 * Where a tensor is in a model, whatever a file calls it.
 *
 * @param block index of the block, or {@link #OUTSIDE}
 */
public record Address(int block, Role role, Part part) {

  /** Block index of parameters outside blocks. */
  public static final int OUTSIDE = -1;

  public enum Part {
    WEIGHT,
    BIAS
  }

  public static Address weight(int block, Role role) {
    return new Address(block, role, Part.WEIGHT);
  }

  public static Address weight(Role role) {
    return new Address(OUTSIDE, role, Part.WEIGHT);
  }

  public Address bias() {
    return new Address(block, role, Part.BIAS);
  }

  /** Whether it is a norm's weight or a bias; anything else is a matrix. */
  public boolean isVector(Architecture architecture) {
    return part == Part.BIAS || architecture.parameter(role).kind() == Kind.NORM;
  }
}
