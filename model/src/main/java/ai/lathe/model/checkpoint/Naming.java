package ai.lathe.model.checkpoint;

import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** What files of one kind call an architecture's parameters. */
sealed interface Naming {

  /** The name without {@code .weight} or {@code .bias}. */
  String stem(Parameter parameter, int block);

  /** The tensor that holds this part, by whichever of its possible names. */
  Optional<String> find(String stem, Part part, Set<String> present);

  /** Names that may stand beside a weight and belong to it. */
  List<String> companions(String stem);

  /** Whether a tensor may be there although nothing needs it. */
  boolean ignored(String name);

  /** The usual full name. */
  default String write(String stem, Part part) {
    return stem + (part == Part.WEIGHT ? ".weight" : ".bias");
  }

  private static String join(String blockPattern, String name, int block) {
    return block == Address.OUTSIDE
        ? name
        : blockPattern.replace("{n}", Integer.toString(block)) + "." + name;
  }

  /** Names of transformers' modules, compressed or not. */
  record HuggingFace(Architecture architecture, String prefix) implements Naming {

    /** The first BERTs came from TensorFlow, whose norms have gamma and beta. */
    private static final List<String> WEIGHTS =
        Stream.concat(
                Quantizations.codecs().stream().map(codec -> codec.suffixes().getFirst()),
                Stream.of(".gamma"))
            .distinct()
            .toList();

    private static final List<String> BIASES = List.of(".bias", ".beta");

    private static final List<String> COMPANIONS =
        Quantizations.codecs().stream()
            .flatMap(codec -> codec.suffixes().stream().skip(1))
            .distinct()
            .toList();

    /** The prefix that the names in this file carry. */
    static HuggingFace of(Architecture architecture, Set<String> present) {
      var first = architecture.outer().values().iterator().next();
      for (var prefix : architecture.modelPrefixes()) {
        var naming = new HuggingFace(architecture, prefix);
        var stem = naming.stem(first, Address.OUTSIDE);
        if (naming.find(stem, Part.WEIGHT, present).isPresent()) {
          return naming;
        }
      }
      return new HuggingFace(architecture, architecture.modelPrefixes().getFirst());
    }

    @Override
    public String stem(Parameter parameter, int block) {
      return prefix + join(architecture.blockNames().huggingFace(), parameter.huggingFace(), block);
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

    /** Divisors of the rotary frequencies, read with the configuration. */
    static final String ROPE_FACTORS = "rope_freqs.weight";

    @Override
    public String stem(Parameter parameter, int block) {
      return join(architecture.blockNames().gguf(), parameter.gguf(), block);
    }

    @Override
    public Optional<String> find(String stem, Part part, Set<String> present) {
      return Optional.of(write(stem, part)).filter(present::contains);
    }

    @Override
    public List<String> companions(String stem) {
      return List.of();
    }

    @Override
    public boolean ignored(String name) {
      return name.equals(ROPE_FACTORS);
    }
  }
}
