package ai.lathe.model.checkpoint;

import ai.lathe.format.FormatException;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which of a file's tensors is which of the model's. Complete: a tensor that the model needs is
 * there, and none is there that it does not know.
 */
final class Inventory {

  private final Naming naming;
  private final Map<Address, String> names;

  private Inventory(Naming naming, Map<Address, String> names) {
    this.naming = naming;
    this.names = names;
  }

  /**
   * Finds every parameter of the architecture among the names of a file.
   *
   * @param present names of all tensors that the file holds
   * @param where names the file in messages
   */
  static Inventory of(
      Architecture architecture,
      ModelConfig config,
      Naming naming,
      Set<String> present,
      String where) {
    var names = new LinkedHashMap<Address, String>();
    var unclaimed = new HashSet<>(present);
    for (var address : inOrder(architecture, config.blocks())) {
      var parameter = architecture.parameter(address.role());
      var stem = naming.stem(parameter, address.block());
      var name = naming.find(stem, address.part(), present);
      boolean tied = parameter.tied().isPresent() && config.tiedEmbeddings();
      if (name.isPresent()) {
        unclaimed.remove(name.get());
        naming.companions(stem).forEach(unclaimed::remove);
        // A file that repeats the embedding as its output is read as what the config calls it.
        if (!tied) {
          names.put(address, name.get());
        }
      } else if (!tied && (address.part() == Part.WEIGHT || parameter.biased())) {
        throw new FormatException(
            where + ": tensor '" + naming.write(stem, address.part()) + "' is missing");
      }
    }
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
    return new Inventory(naming, names);
  }

  /** Weight and bias of every parameter, in order of execution, whether or not a model has it. */
  static List<Address> inOrder(Architecture architecture, int blocks) {
    var all = new ArrayList<Address>();
    var last = new ArrayList<Address>();
    // Roles are declared in order of execution, so they tell what stands behind the blocks.
    var inBlock = architecture.inner().keySet().iterator().next();
    for (var parameter : architecture.outer().values()) {
      add(parameter, Address.OUTSIDE, parameter.role().compareTo(inBlock) > 0 ? last : all);
    }
    for (int block = 0; block < blocks; block++) {
      for (var parameter : architecture.inner().values()) {
        add(parameter, block, all);
      }
    }
    all.addAll(last);
    return all;
  }

  private static void add(Parameter parameter, int block, List<Address> to) {
    var weight = Address.weight(block, parameter.role());
    to.add(weight);
    if (parameter.kind() != Parameter.Kind.EMBEDDING) {
      to.add(weight.bias());
    }
  }

  List<Address> addresses() {
    return List.copyOf(names.keySet());
  }

  boolean has(Address address) {
    return names.containsKey(address);
  }

  /** Where its value is: a tied output's is the embedding. */
  Address resolve(Address address, Architecture architecture) {
    return has(address)
        ? address
        : architecture.parameter(address.role()).tied().map(Address::weight).orElse(address);
  }

  /** Full name of the tensor in the file; throws where the model has none. */
  String name(Address address) {
    var name = names.get(address);
    if (name == null) {
      throw new LatheException("the model has no " + address);
    }
    return name;
  }

  /** Without {@code .weight}. */
  String stem(Parameter parameter, int block) {
    return naming.stem(parameter, block);
  }

  /** {@code [out, in]}, or {@code [n]} of a vector. */
  static long[] shape(Address address, Architecture architecture, ModelConfig config) {
    var parameter = architecture.parameter(address.role());
    long rows = config.size(parameter.rows());
    return address.part() == Part.BIAS || !parameter.isMatrix()
        ? new long[] {rows}
        : new long[] {rows, config.size(parameter.columns())};
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
