package ai.lathe.model.tokenizer;

import ai.lathe.format.Json;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Tokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.TreeSet;

/** The tokens with which a model ends a text or its turn in a conversation. */
public final class EndTokens {

  /**
   * Ends of turns under the names that chat models give them. Files often name only the end of a
   * text; where a vocabulary has one of these as a special token, it means this.
   */
  private static final List<String> TURNS =
      List.of(
          "<|im_end|>",
          "<|eot_id|>",
          "<|eom_id|>",
          "<end_of_turn>",
          "<|end|>",
          "<|endoftext|>",
          "<|end_of_text|>");

  private EndTokens() {}

  /**
   * All that {@code config.json}, {@code generation_config.json}, {@code tokenizer_config.json} or
   * a GGUF's metadata name, and the usual ends of turns; sorted.
   */
  public static int[] of(Checkpoint checkpoint) {
    var config = checkpoint.config();
    var ends = new TreeSet<Integer>();
    config.endToken().ifPresent(ends::add);
    add(ends, config.huggingFace().path("eos_token_id"));
    var companions = checkpoint.companions();
    var generation = companions.get("generation_config.json");
    if (generation != null) {
      add(ends, Json.parse(generation, "generation_config.json").path("eos_token_id"));
    }
    checkpoint
        .tokenizer()
        .ifPresent(
            tokenizer -> {
              TURNS.forEach(name -> add(ends, tokenizer, name));
              var settings = companions.get("tokenizer_config.json");
              if (settings != null) {
                var eos = Json.parse(settings, "tokenizer_config.json").path("eos_token");
                add(ends, tokenizer, eos.path("content").asText(eos.asText()));
              }
            });
    ends.removeIf(id -> id < 0 || id >= config.vocabulary());
    return ends.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void add(TreeSet<Integer> ends, JsonNode ids) {
    if (ids.isInt()) {
      ends.add(ids.intValue());
    }
    for (var id : ids) {
      if (id.isInt()) {
        ends.add(id.intValue());
      }
    }
  }

  private static void add(TreeSet<Integer> ends, Tokenizer tokenizer, String name) {
    if (!name.isEmpty()) {
      tokenizer.id(name).stream().filter(tokenizer::isSpecial).forEach(ends::add);
    }
  }
}
