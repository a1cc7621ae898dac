package ai.lathe.compress.database;

import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.module.ModeGpt;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.pruning.Pruners;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.Quantizers;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Schemes;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.block.BlockTypes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A level of compression by its name:
 *
 * <ul>
 *   <li>{@code W4A16}: a scheme, by GPTQ; {@code W4A16:g32} with groups of 32;
 *   <li>{@code Q4_K}: a type of GGUF, by GPTQ;
 *   <li>{@code rtn:W4A16}: by another quantizer;
 *   <li>{@code sparse:0.5}, {@code sparse:2:4}, {@code sparse:0.5:16x4}: zeros, by SparseGPT;
 *   <li>{@code wanda:0.5}: by another pruner;
 *   <li>{@code svd-llm:0.2}: factors, by that method, with so many parameters fewer;
 *   <li>{@code rocket:0.2:ratio=1.5}: with settings of the method;
 *   <li>{@code sparse:0.5+W4A16}, {@code svd-llm:0.2+W8A16}: and what stays rounded.
 * </ul>
 *
 * @param name as it was asked for
 * @param recipe that makes it
 */
public record LevelSpec(String name, Recipe recipe) {

  private static final String QUANTIZER = "gptq";
  private static final String PRUNER = "sparsegpt";

  /** Short for {@link #PRUNER}. */
  private static final String SPARSE = "sparse";

  private static final String EXAMPLES =
      "levels are like W4A16, W4A16:g32, rtn:W4A16, sparse:0.5, sparse:2:4, sparse:0.5+W4A16, Q4_K";

  /** Throws {@link LatheException} that names the nearest valid part. */
  public static LevelSpec of(String name) {
    var parts = Arrays.asList(name.split("\\+", -1));
    if (parts.size() > 2) {
      throw new LatheException("'%s' is no level: %s".formatted(name, EXAMPLES));
    }
    for (var part : parts) {
      if (method(part).equals(ModeGpt.NAME)) {
        throw new LatheException(
            "'%s' is no level of a layer: %s narrows whole blocks; compress with --factorize %s first, and search what it wrote"
                .formatted(name, ModeGpt.NAME, ModeGpt.NAME));
      }
    }
    boolean removes = removes(parts.getFirst());
    if (parts.size() == 2 && (!removes || removes(parts.getLast()))) {
      throw new LatheException(
          "'%s' is no level: before the + stand zeros (sparse:0.5), after it a scheme (W4A16)"
              .formatted(name));
    }
    var recipe = removes ? removing(name, parts.getFirst()) : quantization(name, parts.getFirst());
    return new LevelSpec(
        name, parts.size() == 2 ? recipe.then(quantization(name, parts.getLast())) : recipe);
  }

  /** All of these names; one that stands twice is refused. */
  public static List<LevelSpec> all(List<String> names) {
    var seen = new HashSet<String>();
    var specs = new ArrayList<LevelSpec>();
    for (var name : names) {
      var spec = of(name.strip());
      if (!seen.add(spec.name())) {
        throw new LatheException("level " + spec.name() + " is asked for twice");
      }
      specs.add(spec);
    }
    return List.copyOf(specs);
  }

  /** What a database holds where nothing else is asked for. */
  public static List<LevelSpec> usual(Target target) {
    return all(
        target == Target.GGUF
            ? List.of("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q8_0")
            : List.of("W2A16", "W3A16", "W4A16", "W5A16", "W6A16", "W8A16"));
  }

  /** What it saves bytes by. */
  public Option.Family family() {
    if (recipe.modifiers().stream().anyMatch(Modifier.Factorization.class::isInstance)) {
      return Option.Family.FACTORS;
    }
    return recipe.modifiers().stream().anyMatch(Modifier.Pruning.class::isInstance)
        ? Option.Family.ZEROS
        : Option.Family.BITS;
  }

  /** Whether it can stand in a GGUF file alone. */
  public boolean blocks() {
    var scheme = name.substring(name.lastIndexOf('+') + 1);
    return blockType(scheme.substring(scheme.lastIndexOf(':') + 1)).isPresent();
  }

  /** The name of the pruner that a part begins with. */
  private static Optional<String> pruner(String part) {
    var method = method(part);
    return method.equals(SPARSE)
        ? Optional.of(PRUNER)
        : Optional.of(method).filter(Pruners.names()::contains);
  }

  /** Whether a part leaves out weights, or parameters. */
  private static boolean removes(String part) {
    return pruner(part).isPresent() || Factorizations.names().contains(method(part));
  }

  private static String method(String part) {
    int colon = part.indexOf(':');
    return colon < 0 ? part : part.substring(0, colon);
  }

  private static Recipe removing(String name, String part) {
    int colon = part.indexOf(':');
    if (colon < 0) {
      throw new LatheException(
          "level '%s' does not say how much goes: %s:0.5 for half of it".formatted(name, part));
    }
    var rest = part.substring(colon + 1);
    return pruner(part)
        .map(method -> Recipe.pruning(method, sparsity(name, rest), Map.of()))
        .orElseGet(() -> factorization(name, method(part), rest));
  }

  /** {@code 0.2}, {@code 0.2:ratio=1.5}. */
  private static Recipe factorization(String name, String method, String text) {
    var words = text.split(":", -1);
    var removed = new Removal(share(name, words[0]));
    var settings = new LinkedHashMap<String, Object>();
    for (int i = 1; i < words.length; i++) {
      int equals = words[i].indexOf('=');
      if (equals < 1
          || settings.put(words[i].substring(0, equals), words[i].substring(equals + 1)) != null) {
        throw new LatheException(
            "level '%s': after the share there may stand settings of %s, each once, for example rocket:0.2:ratio=2"
                .formatted(name, method));
      }
    }
    // What the method does not know is told here, not when the first layer is reached.
    var config = Factorizations.named(method).config(removed, Factors.plain(DType.F32), settings);
    if (config.shiftsBias()) {
      throw new LatheException(
          "level '%s': %s gives layers a bias, for which levels have no place; take svd-llm, or compress with --factorize %s"
              .formatted(name, method, method));
    }
    if (Factorizations.named(method).group(settings) > 1) {
      throw new LatheException(
          "level '%s': a level is of one layer, and a dictionary of group > 1 of several; take group=1"
              .formatted(name));
    }
    return Recipe.factorization(method, removed, settings);
  }

  private static double share(String name, String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new LatheException(
          "level '%s': a share is a number, for example 0.5, not '%s'".formatted(name, text), e);
    }
  }

  /** {@code 0.5}, {@code 2:4}, {@code 0.5:16x4}. */
  private static Sparsity sparsity(String name, String text) {
    int colon = text.indexOf(':');
    if (colon > 0 && text.indexOf('.') < 0 && text.indexOf('x') < 0) {
      return Sparsity.of(Optional.empty(), Pattern.parse(text));
    }
    var share = colon < 0 ? text : text.substring(0, colon);
    var pattern = colon < 0 ? Pattern.UNSTRUCTURED : Pattern.parse(text.substring(colon + 1));
    return Sparsity.of(Optional.of(share(name, share)), pattern);
  }

  private static Recipe quantization(String name, String part) {
    var words = new ArrayList<>(Arrays.asList(part.split(":", -1)));
    var method = QUANTIZER;
    if (words.size() > 1 && quantizers().contains(words.getFirst())) {
      method = words.removeFirst();
    }
    var scheme = words.removeFirst();
    var type = blockType(scheme);
    if (type.isPresent() && words.isEmpty()) {
      return Recipe.gguf(method, type.get(), Map.of());
    }
    if (!Schemes.names().contains(scheme.toUpperCase(Locale.ROOT))) {
      throw unknown(scheme);
    }
    if (words.size() > 1 || words.size() == 1 && !words.getFirst().matches("g[1-9]\\d{0,5}")) {
      throw new LatheException(
          "level '%s': after a scheme there may stand the size of its groups, for example W4A16:g32"
              .formatted(name));
    }
    return Recipe.preset(
        method,
        scheme,
        words.isEmpty()
            ? Optional.empty()
            : Optional.of(Integer.parseInt(words.getFirst().substring(1))));
  }

  private static Optional<BlockType> blockType(String name) {
    return BlockTypes.all().stream().filter(type -> type.name().equals(name)).findFirst();
  }

  private static List<String> quantizers() {
    return Quantizers.all().stream().map(QuantizationMethod::name).toList();
  }

  private static LatheException unknown(String word) {
    var valid = new ArrayList<>(Schemes.names());
    BlockTypes.all().forEach(type -> valid.add(type.name()));
    valid.add(SPARSE);
    valid.addAll(Pruners.names());
    valid.addAll(quantizers());
    valid.addAll(Factorizations.names());
    return LatheException.unknown("level", word, valid);
  }
}
