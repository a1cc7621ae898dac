package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Which of a file's tensors is which of the model's. Complete: a tensor that the model needs is
 * there, and none is there that it does not know.
 */
final class Inventory {

  private final Naming naming;
  private final Architecture architecture;
  private final Map<Address, Place> places;

  private Inventory(Naming naming, Architecture architecture, Map<Address, Place> places) {
    this.naming = naming;
    this.architecture = architecture;
    this.places = places;
  }

  /**
   * Finds every parameter of the architecture among the names of a file.
   *
   * @param present names of all tensors that the file holds
   * @param shapes of these
   * @param where names the file in messages
   */
  static Inventory of(
      Architecture architecture,
      ModelConfig config,
      Naming naming,
      Set<String> present,
      Function<String, long[]> shapes,
      String where) {
    var places = new LinkedHashMap<Address, Place>();
    var unclaimed = new HashSet<>(present);
    inOrder(architecture, config)
        .forEachOrdered(
            address -> {
              var parameter = architecture.parameter(address.role());
              boolean tied =
                  address.part() == Part.WEIGHT
                      && parameter.tied().isPresent()
                      && config.tiedEmbeddings();
              var place = find(address, architecture, config, naming, present);
              if (place.isPresent()) {
                var name = place.get().tensor();
                if (place.get().isShared()) {
                  // Before there is an address for each of as many experts as the file claims.
                  requireShape(name, place.get().shape(), shapes.apply(name), where);
                }
                unclaimed.remove(name);
                naming.companions(naming.stem(parameter, address)).forEach(unclaimed::remove);
                // A file that repeats the embedding as its output is read as what the config calls
                // it.
                if (!tied) {
                  places.put(address, place.get());
                }
              } else if (!tied && (address.part() == Part.WEIGHT || parameter.biased())) {
                var name = naming.write(parameter, address);
                throw new FormatException(where + ": tensor '" + name + "' is missing");
              }
            });
    unclaimed.removeIf(naming::ignored);
    if (!unclaimed.isEmpty()) {
      throw new FormatException(
          where
              + ": tensor '"
              + unclaimed.stream().sorted().findFirst().orElseThrow()
              + "' is none that a "
              + architecture.name()
              + " of "
              + config.blocks()
              + " blocks has"
              + (unclaimed.size() > 1 ? " (nor are " + (unclaimed.size() - 1) + " more)" : ""));
    }
    return new Inventory(naming, architecture, places);
  }

  private static Optional<Place> find(
      Address address,
      Architecture architecture,
      ModelConfig config,
      Naming naming,
      Set<String> present) {
    var parameter = architecture.parameter(address.role());
    if (address.part() == Part.WEIGHT && parameter.perExpert()) {
      var stacked = naming.stacked(parameter, address, config);
      if (stacked.isPresent() && present.contains(stacked.get().tensor())) {
        return stacked;
      }
    }
    return naming
        .find(parameter, address, present)
        .map(name -> Place.own(name, config.shape(architecture, address)));
  }

  /** Weight and bias of every parameter, in order of execution, whether or not a model has it. */
  static Stream<Address> inOrder(Architecture architecture, ModelConfig config) {
    // Roles are declared in order of execution, so they tell what stands behind the blocks.
    var inBlock = architecture.inner().keySet().iterator().next();
    var outside =
        architecture.outer().values().stream()
            .collect(Collectors.partitioningBy(p -> p.role().compareTo(inBlock) > 0));
    return Stream.of(
            outside.get(false).stream().map(p -> Address.weight(p.role())),
            IntStream.range(0, config.blocks())
                .boxed()
                .flatMap(block -> weights(architecture, config, block)),
            outside.get(true).stream().map(p -> Address.weight(p.role())))
        .flatMap(weights -> weights)
        .flatMap(
            weight ->
                architecture.parameter(weight.role()).mayHaveBias()
                    ? Stream.of(weight, weight.bias())
                    : Stream.of(weight));
  }

  /** Of one block; one expert after the other. */
  private static Stream<Address> weights(Architecture architecture, ModelConfig config, int block) {
    var each =
        config.parameters(architecture, block).stream()
            .collect(Collectors.partitioningBy(Parameter::perExpert));
    return Stream.concat(
        each.get(false).stream().map(p -> Address.weight(block, p.role())),
        IntStream.range(0, each.get(true).isEmpty() ? 0 : config.experts().orElseThrow().count())
            .boxed()
            .flatMap(
                expert ->
                    each.get(true).stream().map(p -> Address.weight(block, expert, p.role()))));
  }

  List<Address> addresses() {
    return List.copyOf(places.keySet());
  }

  boolean has(Address address) {
    return places.containsKey(address);
  }

  /** Where its value is: a tied output's is the embedding. */
  Address resolve(Address address) {
    return has(address)
        ? address
        : architecture.parameter(address.role()).tied().map(Address::weight).orElse(address);
  }

  /** Throws where the model has none. */
  Place place(Address address) {
    var place = places.get(address);
    if (place == null) {
      throw new LatheException("the model has no " + address);
    }
    return place;
  }

  /** What the file calls it, without {@code .weight}. */
  String label(Address address) {
    return naming.label(architecture.parameter(address.role()), address);
  }

  /** One line where a tensor has another shape than the configuration gives it. */
  static void requireShape(String name, long[] expected, long[] actual, String where) {
    if (!Arrays.equals(expected, actual)) {
      throw new FormatException(
          where
              + ": tensor '"
              + name
              + "' should have shape "
              + Arrays.toString(expected)
              + " by the configuration, but has "
              + Arrays.toString(actual));
    }
  }
}
