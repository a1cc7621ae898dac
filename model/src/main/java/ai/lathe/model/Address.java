package ai.lathe.model;

import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import java.util.Optional;

/**
 * Where a tensor is in a model, whatever a file calls it.
 *
 * @param block index of the block, or {@link #OUTSIDE}
 * @param expert index of the expert in its block, or {@link Site#NO_EXPERT}
 */
public record Address(int block, int expert, Role role, Part part) {

  /** Block index of parameters outside blocks. */
  public static final int OUTSIDE = -1;

  public enum Part {
    WEIGHT,
    BIAS
  }

  public static Address weight(int block, int expert, Role role) {
    return new Address(block, expert, role, Part.WEIGHT);
  }

  public static Address weight(int block, Role role) {
    return weight(block, Site.NO_EXPERT, role);
  }

  public static Address weight(Role role) {
    return weight(OUTSIDE, role);
  }

  public Address bias() {
    return new Address(block, expert, role, Part.BIAS);
  }

  /** Whether it is a norm's weight, a bias or a list of indices; anything else is a matrix. */
  public boolean isVector(Architecture architecture) {
    return part == Part.BIAS || !architecture.parameter(role).isMatrix();
  }

  /** The input that a linear's weight is applied to; empty for anything else. */
  public Optional<Site> reads(Architecture architecture) {
    return Optional.ofNullable(architecture.parameter(role).reads())
        .map(read -> new Site(read, expert));
  }
}
