package ai.lathe.compress.plan;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Where a written model can have a bias: where it has one, and where a field of its configuration
 * says that all linears of some roles have.
 */
final class BiasPlaces {

  private BiasPlaces() {}

  /**
   * Why a matrix cannot have a bias of its own, in half a sentence; empty where it can.
   *
   * @param name of the matrix
   */
  static Optional<String> refusal(Checkpoint model, Target target, Address matrix, String name) {
    if (model.vector(matrix.bias()).isPresent()) {
      return Optional.empty();
    }
    if (!(target instanceof Target.Directory)) {
      return Optional.of(target.name() + " has no place for a bias of " + name);
    }
    boolean possible = matrix.expert() == Site.NO_EXPERT && field(model, matrix.role()).isPresent();
    return possible
        ? Optional.empty()
        : Optional.of(
            "the configuration of %s has no place for a bias of %s"
                .formatted(model.architecture().name(), name));
  }

  /** The biases that a model must have besides its own where these matrices have one. */
  static Set<Address> added(Checkpoint model, Set<Address> matrices) {
    var fields = new HashSet<Set<Role>>();
    for (var matrix : matrices) {
      if (model.vector(matrix.bias()).isEmpty()) {
        field(model, matrix.role()).ifPresent(fields::add);
      }
    }
    var added = new HashSet<Address>();
    for (var address : model.addresses()) {
      boolean matrix = !address.isVector(model.architecture());
      if (matrix
          && fields.stream().anyMatch(roles -> roles.contains(address.role()))
          && model.vector(address.bias()).isEmpty()) {
        added.add(address.bias());
      }
    }
    return added;
  }

  /** The roles that have biases together with this one. */
  private static Optional<Set<Role>> field(Checkpoint model, Role role) {
    return model.architecture().dialect().biases().entrySet().stream()
        .map(Map.Entry::getValue)
        .filter(roles -> roles.contains(role))
        .findFirst();
  }
}
