package ai.lathe.model.checkpoint;

import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Parameter.Stack;
import ai.lathe.model.config.GgufRope;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** What files of one kind call an architecture's parameters. */
sealed interface Naming {

  /** The name without {@code .weight} or {@code .bias}. */
  String stem(Parameter parameter, Address address);

  /** Other names that files may have for it. */
  default List<String> aliases(Parameter parameter, Address address) {
    return List.of();
  }

  /** The name, told apart where one tensor holds those of all experts; for reports. */
  default String label(Parameter parameter, Address address) {
    return stem(parameter, address);
  }

  /** The tensor that may hold this weight of all experts, and where it is in there. */
  Optional<Place> stacked(Parameter parameter, Address address, ModelConfig config);

  /** Likewise, by its stem. */
  Optional<String> find(String stem, Part part, Set<String> present);

  /** Names that may stand beside a weight and belong to it. */
  List<String> companions(String stem);

  /** Whether a tensor may be there although nothing needs it. */
  boolean ignored(String name);

  /** The usual full name. */
  default String write(Parameter parameter, Address address) {
    var stem = stem(parameter, address);
    return parameter.kind() == Kind.INDICES
        ? stem
        : stem + (address.part() == Part.WEIGHT ? ".weight" : ".bias");
  }

  /** The tensor that holds this part, by whichever of its possible names. */
  default Optional<String> find(Parameter parameter, Address address, Set<String> present) {
    if (parameter.kind() == Kind.INDICES) {
      return Optional.of(stem(parameter, address)).filter(present::contains);
    }
    return Stream.concat(Stream.of(stem(parameter, address)), aliases(parameter, address).stream())
        .flatMap(stem -> find(stem, address.part(), present).stream())
        .findFirst();
  }

  private static String join(String blockPattern, String name, int block) {
    return block == Address.OUTSIDE
        ? name
        : blockPattern.replace("{n}", Integer.toString(block)) + "." + name;
  }

  private static Place stacked(
      String tensor, Stack stack, Parameter parameter, Address address, ModelConfig config) {
    int block = address.block();
    long[] shape = {config.size(parameter.rows(), block), config.size(parameter.columns(), block)};
    return Place.stacked(tensor, stack, shape, config.copies(parameter), address.expert());
  }

  /** Names of transformers' modules, compressed or not. */
  record HuggingFace(Architecture architecture, String prefix) implements Naming {

    /** The first BERTs came from TensorFlow, whose norms have gamma and beta. */
    private static final List<String> WEIGHTS =
        Stream.concat(Quantizations.weightSuffixes().stream(), Stream.of(".gamma")).toList();

    private static final List<String> BIASES = List.of(".bias", ".beta");

    private static final List<String> COMPANIONS = Quantizations.companionSuffixes();

    /** The prefix that the names in this file carry. */
    static HuggingFace of(Architecture architecture, Set<String> present) {
      var first = architecture.outer().values().iterator().next();
      for (var prefix : architecture.modelPrefixes()) {
        var naming = new HuggingFace(architecture, prefix);
        var stem = naming.stem(first, Address.weight(first.role()));
        if (naming.find(stem, Part.WEIGHT, present).isPresent()) {
          return naming;
        }
      }
      return new HuggingFace(architecture, architecture.modelPrefixes().getFirst());
    }

    @Override
    public String stem(Parameter parameter, Address address) {
      boolean elsewhere = address.part() == Part.BIAS && parameter.biasModule() != null;
      var module = elsewhere ? parameter.biasModule() : parameter.huggingFace();
      var name = module.replace("{e}", Integer.toString(address.expert()));
      return Architecture.prefixed(prefix, parameter.role(), local(name, address));
    }

    @Override
    public List<String> aliases(Parameter parameter, Address address) {
      boolean elsewhere = address.part() == Part.BIAS && parameter.biasModule() != null;
      return Stream.of(parameter.alias(), elsewhere ? parameter.huggingFace() : null)
          .filter(Objects::nonNull)
          .map(name -> Architecture.prefixed(prefix, parameter.role(), local(name, address)))
          .toList();
    }

    private String local(String name, Address address) {
      return join(architecture.blockNames().huggingFace(), name, address.block());
    }

    @Override
    public Optional<Place> stacked(Parameter parameter, Address address, ModelConfig config) {
      var stack = parameter.stack();
      return stack == null
          ? Optional.empty()
          : Optional.of(
              Naming.stacked(
                  prefix + local(stack.name(), address), stack, parameter, address, config));
    }

    @Override
    public Optional<String> find(String stem, Part part, Set<String> present) {
      var suffixes = part == Part.WEIGHT ? WEIGHTS : BIASES;
      return suffixes.stream().map(stem::concat).filter(present::contains).findFirst();
    }

    @Override
    public List<String> companions(String stem) {
      return COMPANIONS.stream().map(stem::concat).toList();
    }

    @Override
    public boolean ignored(String name) {
      var bare = name.startsWith(prefix) ? name.substring(prefix.length()) : name;
      return architecture.ignored().stream()
          .anyMatch(part -> bare.startsWith(part) || bare.endsWith(part));
    }
  }

  /** Names that llama.cpp gives. */
  record Gguf(Architecture architecture) implements Naming {

    private static final Stack WHOLE = new Stack("", 0, 1);

    @Override
    public String stem(Parameter parameter, Address address) {
      return join(architecture.blockNames().gguf(), parameter.gguf(), address.block());
    }

    @Override
    public String label(Parameter parameter, Address address) {
      var stem = stem(parameter, address);
      return parameter.perExpert() ? stem + "[" + address.expert() + "]" : stem;
    }

    @Override
    public Optional<Place> stacked(Parameter parameter, Address address, ModelConfig config) {
      if (!parameter.perExpert()) {
        return Optional.empty();
      }
      var name = write(parameter, address);
      return Optional.of(Naming.stacked(name, WHOLE, parameter, address, config));
    }

    @Override
    public Optional<String> find(String stem, Part part, Set<String> present) {
      return Optional.of(stem + (part == Part.WEIGHT ? ".weight" : ".bias"))
          .filter(present::contains);
    }

    @Override
    public List<String> companions(String stem) {
      return List.of();
    }

    @Override
    public boolean ignored(String name) {
      return GgufRope.TENSORS.contains(name);
    }
  }
}
