package ai.lathe.model;

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
}
