package ai.lathe.model.tokenizer;

import ai.lathe.format.Json;
import ai.lathe.format.gguf.GgufMetadata;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Where a model's files keep its chat templates: one, or several with names. */
public final class ChatTemplateTexts {

  /** The name of a template that has none. */
  public static final String DEFAULT = "default";

  private static final String SETTINGS = "tokenizer_config.json";
  private static final String KEY = "tokenizer.chat_template";
  private static final String NAMES = "tokenizer.chat_templates";

  private ChatTemplateTexts() {}

  /**
   * By name, in this order: {@code chat_template.jinja}, {@code chat_template} of {@code
   * tokenizer_config.json}, {@code chat_template.json}; empty where there is none.
   *
   * @param companions the files beside the model, by name
   */
  public static Map<String, String> of(Map<String, byte[]> companions) {
    var file = companions.get("chat_template.jinja");
    if (file != null) {
      return Map.of(DEFAULT, new String(file, StandardCharsets.UTF_8));
    }
    var texts = new LinkedHashMap<String, String>();
    for (var name : List.of(SETTINGS, "chat_template.json")) {
      if (texts.isEmpty() && companions.containsKey(name)) {
        collect(Json.parse(companions.get(name), name).path("chat_template"), texts);
      }
    }
    return texts;
  }

  private static void collect(JsonNode value, Map<String, String> texts) {
    if (value.isTextual()) {
      texts.put(DEFAULT, value.textValue());
    }
    for (var entry : value) {
      if (entry.path("name").isTextual() && entry.path("template").isTextual()) {
        texts.put(entry.get("name").textValue(), entry.get("template").textValue());
      }
    }
  }

  /** As the keys of a GGUF file, whose names are letters, digits and underscores. */
  static void put(Map<String, String> texts, GgufMetadata.Builder metadata) {
    var names = new ArrayList<String>();
    texts.forEach(
        (name, text) -> {
          if (name.equals(DEFAULT)) {
            metadata.string(KEY, text);
          } else {
            var key = name.replaceAll("[^A-Za-z0-9]", "_");
            metadata.string(KEY + "." + key, text);
            names.add(key);
          }
        });
    if (!names.isEmpty()) {
      metadata.strings(NAMES, names);
    }
  }

  /** As {@code chat_template} of a {@code tokenizer_config.json}. */
  static void put(GgufMetadata metadata, ObjectNode settings) {
    var named = metadata.findStrings(NAMES).orElse(List.of());
    var single = metadata.findString(KEY);
    if (named.isEmpty()) {
      single.ifPresent(text -> settings.put("chat_template", text));
      return;
    }
    var list = settings.putArray("chat_template");
    single.ifPresent(text -> list.addObject().put("name", DEFAULT).put("template", text));
    for (var name : named) {
      list.addObject().put("name", name).put("template", metadata.string(KEY + "." + name));
    }
  }
}
