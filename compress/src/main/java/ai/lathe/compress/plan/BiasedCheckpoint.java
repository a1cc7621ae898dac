package ai.lathe.compress.plan;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A model with biases of zero where a plan shifts biases that it has not: the same function, but
 * everything that writes or reads it has a place for them.
 */
public final class BiasedCheckpoint extends CheckpointView {

  private final Set<Address> added;
  private final List<Address> addresses = new ArrayList<>();

  private BiasedCheckpoint(Checkpoint source, Set<Address> added) {
    super(source);
    this.added = added;
    for (var address : source.addresses()) {
      addresses.add(address);
      if (added.contains(address.bias()) && address.part() == Address.Part.WEIGHT) {
        addresses.add(address.bias());
      }
    }
  }

  /** The model itself where the plan adds none. */
  public static Checkpoint of(Checkpoint source, Plan plan) {
    var shifted =
        plan.entries().stream()
            .filter(entry -> entry.level().filter(level -> level.config().shiftsBias()).isPresent())
            .map(Plan.Entry::address)
            .collect(Collectors.toSet());
    var added = BiasPlaces.added(source, shifted);
    return added.isEmpty() ? source : new BiasedCheckpoint(source, added);
  }

  @Override
  public List<Address> addresses() {
    return List.copyOf(addresses);
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    if (!added.contains(address)) {
      return source.vector(address);
    }
    var width = architecture().parameter(address.role()).rows();
    int rows = config().size(width, address.block());
    return Optional.of(Tensor.ofFloats(new float[rows], rows));
  }
}
