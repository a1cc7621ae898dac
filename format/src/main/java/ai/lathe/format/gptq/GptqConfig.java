package ai.lathe.format.gptq;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization;
import ai.lathe.format.compressed.Selector;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * {@code quantization_config} of method {@code gptq}: one scheme for all linear layers in blocks,
 * and exceptions by regular expression.
 *
 * @param scheme of layers that are no exception
 * @param groupIndex groups are not consecutive inputs ({@code desc_act})
 * @param lessOne zero points are stored less one ({@code checkpoint_format: gptq})
 * @param head whether the output layer is quantized too
 * @param exceptions tried in order; the first that matches decides
 */
public record GptqConfig(
    IntegerScheme scheme,
    boolean groupIndex,
    boolean lessOne,
    boolean head,
    List<Exception> exceptions)
    implements Quantization {

  /** The file beside {@code config.json} that says the same to older readers. */
  public static final String OWN_FILE = "quantize_config.json";

  /** The name of the output layer, which is quantized only where {@link #head} says so. */
  private static final String HEAD = "lm_head";

  /**
   * Layers of their own.
   *
   * @param pattern a regular expression that the beginning of the name matches
   * @param scheme empty where the layer is stored plain
   */
  public record Exception(String pattern, Optional<IntegerScheme> scheme) {

    private boolean matches(String module) {
      return Selector.of("re:" + pattern, FIELD).matches(module, "");
    }
  }

  /** Reads the value of {@value #FIELD}. */
  public static GptqConfig read(JsonFields config) {
    var format = config.text("checkpoint_format").or(() -> config.text("format")).orElse("gptq");
    if (!List.of("gptq", "gptq_v2").contains(format)) {
      throw new FormatException(
          config.where()
              + ": checkpoint_format '"
              + format
              + "' is not supported; supported: gptq, gptq_v2");
    }
    config
        .text("pack_dtype")
        .filter(type -> !type.equals("int32"))
        .ifPresent(
            type -> {
              throw new FormatException(
                  config.where()
                      + ": pack_dtype '"
                      + type
                      + "' is not supported; supported: int32");
            });
    var scheme = scheme(config, null);
    var exceptions = new ArrayList<Exception>();
    config
        .object("dynamic")
        .ifPresent(
            dynamic -> {
              for (var entry : dynamic.object().properties()) {
                exceptions.add(exception(dynamic, entry.getKey(), scheme));
              }
            });
    return new GptqConfig(
        scheme,
        config.flag("desc_act").orElse(false),
        format.equals("gptq"),
        config.flag("lm_head").orElse(false),
        List.copyOf(exceptions));
  }

  private static Exception exception(JsonFields dynamic, String key, IntegerScheme usual) {
    var pattern = key.startsWith("-:") || key.startsWith("+:") ? key.substring(2) : key;
    Selector.of("re:" + pattern, dynamic.where());
    if (key.startsWith("-:")) {
      return new Exception(pattern, Optional.empty());
    }
    var own =
        dynamic
            .object(key)
            .orElseThrow(() -> new FormatException(dynamic.where() + ": '" + key + "' is null"));
    return new Exception(pattern, Optional.of(scheme(own, usual)));
  }

  private static IntegerScheme scheme(JsonFields config, IntegerScheme usual) {
    int bits =
        usual == null
            ? config.requiredInteger("bits")
            : config.integer("bits").orElse(usual.bits());
    if (!GptqCodec.WIDTHS.contains(bits)) {
      throw new FormatException(
          config.where() + ": bits " + bits + " is not supported; supported: 2, 3, 4, 8");
    }
    int size = config.integer("group_size").orElse(usual == null ? 128 : usual.groupSize());
    if (size < -1) {
      throw new FormatException(
          config.where() + ": group_size should be positive, or -1 for whole rows, not " + size);
    }
    boolean symmetric = config.flag("sym").orElse(usual == null || usual.symmetric());
    return new IntegerScheme(
        bits, Math.max(size, IntegerScheme.CHANNEL), symmetric, Activations.NONE);
  }

  static GptqConfig describe(SequencedMap<String, Encoding> modules, boolean lessOne) {
    var counts = new LinkedHashMap<IntegerScheme, Integer>();
    boolean groupIndex = false;
    for (var encoding : modules.values()) {
      if (encoding instanceof Encoding.Grouped(IntegerScheme scheme, _, boolean regrouped)) {
        counts.merge(scheme, 1, Integer::sum);
        groupIndex |= regrouped;
      }
    }
    var usual = counts.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow().getKey();
    var exceptions = new ArrayList<Exception>();
    boolean head = false;
    for (var module : modules.entrySet()) {
      var pattern = module.getKey().replace(".", "\\.") + "$";
      var own =
          module.getValue() instanceof Encoding.Grouped grouped
              ? Optional.of(grouped.scheme())
              : Optional.<IntegerScheme>empty();
      head |= own.isPresent() && module.getKey().equals(HEAD);
      boolean plainHead = own.isEmpty() && module.getKey().equals(HEAD);
      if (!own.equals(Optional.of(usual)) && !plainHead) {
        exceptions.add(new Exception(pattern, own));
      }
    }
    return new GptqConfig(usual, groupIndex, lessOne, head, exceptions);
  }

  @Override
  public Optional<Stored> module(String name, String className) {
    if (name.equals(HEAD) && !head) {
      return Optional.empty();
    }
    return exceptions.stream()
        .filter(exception -> exception.matches(name))
        .findFirst()
        .map(Exception::scheme)
        .orElse(Optional.of(scheme))
        .map(
            own ->
                new Stored(
                    new GptqCodec(own.bits(), lessOne),
                    new Encoding.Grouped(own, DType.F16, groupIndex)));
  }

  @Override
  public String format() {
    return lessOne ? "gptq" : "gptq_v2";
  }

  /** Where AutoGPTQ looks for the same. */
  @Override
  public Map<String, byte[]> files() {
    return Map.of(OWN_FILE, Json.print(toJson()));
  }

  @Override
  public ObjectNode toJson() {
    var json = Json.object();
    json.put("quant_method", "gptq");
    put(json, scheme);
    json.put("desc_act", groupIndex).put("lm_head", head);
    json.put("checkpoint_format", format()).put("pack_dtype", "int32");
    if (!exceptions.isEmpty()) {
      var dynamic = json.putObject("dynamic");
      for (var exception : exceptions) {
        var own = dynamic.putObject((exception.scheme.isEmpty() ? "-:" : "+:") + exception.pattern);
        exception.scheme.ifPresent(other -> put(own, other));
      }
    }
    json.putObject("meta").putArray("quantizer").add("lathe");
    return json;
  }

  private static void put(ObjectNode json, IntegerScheme scheme) {
    json.put("bits", scheme.bits());
    json.put("group_size", scheme.groupSize() == IntegerScheme.CHANNEL ? -1 : scheme.groupSize());
    json.put("sym", scheme.symmetric());
  }
}
