package ai.lathe.model.tokenizer;

import ai.lathe.format.Json;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How text is cut before byte-level BPE: GGUF has a name for it ({@code tokenizer.ggml.pre}),
 * {@code tokenizer.json} the steps themselves.
 *
 * @param names in GGUF, the one to write first
 * @param steps one after the other
 * @param composed text is brought to Unicode's NFC first
 * @param wholeWords a piece that is a token stays one, whatever the merges say
 * @param begins a BOS is added where the file does not say
 */
record PreTokenizer(
    List<String> names, List<Step> steps, boolean composed, boolean wholeWords, boolean begins) {

  /** One step. */
  sealed interface Step {

    /** Cuts out what matches, and keeps what lies between. */
    record Split(String regex) implements Step {}

    /** Cuts out each digit. */
    record Digits() implements Step {}

    /** Bytes to printable characters, after GPT-2's own cut or without any. */
    record Bytes(boolean cut) implements Step {}
  }

  private static final String GPT_2 =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";

  private static final String AFTER_DIGITS =
      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private static final String BEFORE_DIGITS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";

  private static final Step BYTES = new Step.Bytes(false);

  /** As llama.cpp defines the names; a row for each that models here use. */
  static final List<PreTokenizer> ALL =
      List.of(
          new PreTokenizer(
              List.of("gpt-2", "phi-2", "mpt", "olmo", "jais"),
              List.of(new Step.Bytes(true)),
              false,
              false,
              false),
          new PreTokenizer(
              List.of("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"),
              List.of(new Step.Digits(), new Step.Bytes(true)),
              false,
              false,
              false),
          new PreTokenizer(
              List.of("llama-bpe", "llama3", "llama-v3"),
              List.of(new Step.Split(BEFORE_DIGITS + "\\p{N}{1,3}" + AFTER_DIGITS), BYTES),
              false,
              true,
              true),
          new PreTokenizer(
              List.of("qwen2", "deepseek-r1-qwen"),
              List.of(new Step.Split(BEFORE_DIGITS + "\\p{N}" + AFTER_DIGITS), BYTES),
              true,
              false,
              false),
          new PreTokenizer(
              List.of("default"),
              List.of(
                  new Step.Split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
                  new Step.Split(GPT_2),
                  new Step.Split("\\p{N}+"),
                  new Step.Split("[0-9][0-9][0-9]"),
                  BYTES),
              false,
              false,
              false));

  static PreTokenizer named(String name) {
    return ALL.stream()
        .filter(known -> known.names.contains(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "pre-tokenizer", name, ALL.stream().flatMap(p -> p.names.stream()).toList()));
  }

  /** The one that does what this {@code pre_tokenizer} of a tokenizer.json says, if any does. */
  static Optional<PreTokenizer> of(JsonNode json) {
    var steps = steps(json);
    return ALL.stream().filter(known -> known.steps.equals(steps)).findFirst();
  }

  /** Its steps; a step that is none of ours becomes null, which equals nothing. */
  private static List<Step> steps(JsonNode json) {
    var steps = new ArrayList<Step>();
    if (json.path("type").asText().equals("Sequence")) {
      json.path("pretokenizers").forEach(step -> steps.add(step(step)));
    } else {
      steps.add(step(json));
    }
    return steps;
  }

  private static Step step(JsonNode json) {
    return switch (json.path("type").asText()) {
      case "Split" -> {
        boolean isolated = json.path("behavior").asText().equals("Isolated");
        var regex = json.path("pattern").path("Regex");
        yield isolated && !json.path("invert").asBoolean() && regex.isTextual()
            ? new Step.Split(regex.asText())
            : null;
      }
      case "Digits" -> json.path("individual_digits").asBoolean() ? new Step.Digits() : null;
      case "ByteLevel" ->
          json.path("add_prefix_space").asBoolean()
              ? null
              : new Step.Bytes(json.path("use_regex").asBoolean(true));
      default -> null;
    };
  }

  /** As tokenizer.json has it. */
  ObjectNode json() {
    if (steps.size() == 1) {
      return json(steps.getFirst());
    }
    var sequence = Json.object().put("type", "Sequence");
    var list = sequence.putArray("pretokenizers");
    steps.forEach(step -> list.add(json(step)));
    return sequence;
  }

  private static ObjectNode json(Step step) {
    var json = Json.object();
    switch (step) {
      case Step.Split(String regex) -> {
        json.put("type", "Split").putObject("pattern").put("Regex", regex);
        json.put("behavior", "Isolated").put("invert", false);
      }
      case Step.Digits() -> json.put("type", "Digits").put("individual_digits", true);
      case Step.Bytes(boolean cut) ->
          json.put("type", "ByteLevel")
              .put("add_prefix_space", false)
              .put("trim_offsets", true)
              .put("use_regex", cut);
    }
    return json;
  }
}
