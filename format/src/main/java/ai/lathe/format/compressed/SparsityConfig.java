package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization.Stored;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Pattern;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * {@code sparsity_config}: the modules that are stored with a mask, all in one way.
 *
 * @param targets as those of a group
 * @param ignore modules that are not meant
 * @param structure {@code unstructured}, {@code 2:4} or another of these
 * @param sparsity the share of zeros of a module on average; only told
 */
record SparsityConfig(
    SparseBitmask codec,
    List<String> targets,
    List<String> ignore,
    String structure,
    double sparsity) {

  static final String FIELD = "sparsity_config";

  /** A version of the Python package that reads and writes it; since 0.15 it does not. */
  static final String VERSION = "0.10.2";

  private static final List<SparseBitmask> CODECS =
      List.of(SparseBitmask.ANY, SparseBitmask.TWO_FOUR);

  /**
   * Describes the linear layers of a model; empty where it cannot, because they are not all plain
   * or masked in one way.
   */
  static Optional<SparsityConfig> of(Map<String, Encoding> modules) {
    var ignore = new ArrayList<String>();
    var ways = new HashSet<Pattern>();
    double sum = 0;
    for (var module : modules.entrySet()) {
      var encoding = module.getValue();
      if (encoding instanceof Encoding.Sparse sparse
          && CODECS.stream().anyMatch(codec -> codec.canEncode(sparse))) {
        ways.add(sparse.pattern());
        sum += sparse.sparsity();
      } else if (encoding instanceof Encoding.Plain) {
        ignore.add(module.getKey());
      } else {
        return Optional.empty();
      }
    }
    if (ways.size() != 1) {
      return Optional.empty();
    }
    var pattern = ways.iterator().next();
    var codec =
        pattern.equals(new Pattern.SemiStructured(2, 4))
            ? SparseBitmask.TWO_FOUR
            : SparseBitmask.ANY;
    return Optional.of(
        new SparsityConfig(
            codec,
            List.of("Linear"),
            List.copyOf(ignore),
            pattern.label(),
            sum / (modules.size() - ignore.size())));
  }

  /** Whether a module is stored so. */
  boolean matches(String module, String className) {
    return ignore.stream().noneMatch(text -> selector(text).matches(module, className))
        && targets.stream().anyMatch(text -> selector(text).matches(module, className));
  }

  private static Selector selector(String text) {
    return Selector.of(text, FIELD);
  }

  /** How a module that {@link #matches} is stored. */
  Stored stored() {
    return new Stored(codec, codec.encoding(structure, FIELD));
  }

  /** The value of {@value #FIELD}, with the fields that the Python package writes. */
  ObjectNode write() {
    var json = Json.object().put("registry_requires_subclass", false).put("format", codec.name());
    targets.forEach(json.putArray("targets")::add);
    ArrayNode ignored = json.putArray("ignore");
    ignore.forEach(ignored::add);
    return json.put("global_sparsity", sparsity).put(SparseBitmask.STRUCTURE, structure);
  }

  /** The inverse; empty where weights are stored with their zeros. */
  static Optional<SparsityConfig> read(JsonFields config) {
    return config
        .object(FIELD)
        .filter(given -> !given.object().isEmpty())
        .filter(given -> !given.text("format").orElse(DenseCodec.NAME).equals(DenseCodec.NAME))
        .map(SparsityConfig::readMasked);
  }

  private static SparsityConfig readMasked(JsonFields given) {
    var format = given.requiredText("format");
    var codec =
        CODECS.stream()
            .filter(one -> one.name().equals(format))
            .findFirst()
            .orElseThrow(
                () ->
                    QuantizationConfigReader.refuse(
                        given,
                        "format",
                        format,
                        "dense, %s, %s".formatted(CODECS.get(0).name(), CODECS.get(1).name())));
    // Absent means all modules.
    var targets = given.has("targets") ? given.texts("targets") : List.of("Linear");
    var ignore = given.texts("ignore");
    targets.forEach(text -> Selector.of(text, given.where()));
    ignore.forEach(text -> Selector.of(text, given.where()));
    // "0:0" is what the package calls zeros of which it knows nothing.
    var structure =
        given
            .text(SparseBitmask.STRUCTURE)
            .filter(text -> !text.equals("0:0"))
            .orElse(codec == SparseBitmask.ANY ? Pattern.UNSTRUCTURED.label() : "2:4");
    codec.encoding(structure, given.where());
    double sparsity =
        given
            .get("global_sparsity")
            .filter(JsonNode::isNumber)
            .map(JsonNode::doubleValue)
            .orElse(0.0);
    if (!Double.isFinite(sparsity)) {
      throw new FormatException(given.where() + ": 'global_sparsity' should be a number");
    }
    return new SparsityConfig(codec, targets, ignore, structure, sparsity);
  }
}
