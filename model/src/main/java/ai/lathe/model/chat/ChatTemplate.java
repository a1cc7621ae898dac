package ai.lathe.model.chat;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.chat.jinja.Template;
import ai.lathe.model.tokenizer.ChatTemplateTexts;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Clock;
import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model's chat template: it turns a conversation into the text that the model was trained on, as
 * Hugging Face's {@code apply_chat_template} does, to the byte. Safe for use by several threads.
 *
 * <p>The text spells out the special tokens, the one at the beginning too. It becomes tokens by
 * {@link Tokenizer#encodePlain}; {@link Tokenizer#encode} would add the first token a second time.
 */
public final class ChatTemplate {

  private static final String TOOL_USE = "tool_use";
  private static final int LONGEST = 1 << 20;

  /** Names under which models and clients pass what a model thought; templates read the first. */
  private static final List<String> THOUGHTS =
      List.of("reasoning_content", "thinking", "reasoning");

  private final Map<String, Template> templates;
  private final Map<String, Object> tokens;
  private final Clock clock;

  private ChatTemplate(Map<String, Template> templates, Map<String, Object> tokens, Clock clock) {
    this.templates = templates;
    this.tokens = tokens;
    this.clock = clock;
  }

  /**
   * The template of a model, in this order: {@code chat_template.jinja}, {@code chat_template} of
   * {@code tokenizer_config.json} (GGUF's {@code tokenizer.chat_template} appears there), {@code
   * chat_template.json}. Empty where the model has none.
   *
   * @throws FormatException where it does not parse: its name, the line, and what is wrong
   */
  public static Optional<ChatTemplate> of(Checkpoint checkpoint) {
    var tokens = new LinkedHashMap<String, Object>();
    var template = of(checkpoint.companions(), tokens, Clock.systemDefaultZone());
    template.ifPresent(found -> addTokens(checkpoint, tokens));
    return template;
  }

  /** The two tokens that a file may leave to the tokenizer's class. */
  private static void addTokens(Checkpoint checkpoint, Map<String, Object> tokens) {
    var tokenizer = checkpoint.tokenizer();
    var config = checkpoint.config();
    if (tokenizer.isPresent() && !tokens.containsKey("bos_token")) {
      config.beginToken().ifPresent(id -> tokens.put("bos_token", spelled(tokenizer.get(), id)));
    }
    if (tokenizer.isPresent() && !tokens.containsKey("eos_token")) {
      config.endToken().ifPresent(id -> tokens.put("eos_token", spelled(tokenizer.get(), id)));
    }
  }

  private static String spelled(Tokenizer tokenizer, int id) {
    return tokenizer.decode(new int[] {id}, /* special= */ true);
  }

  static Optional<ChatTemplate> of(
      Map<String, byte[]> companions, Map<String, Object> tokens, Clock clock) {
    var texts = ChatTemplateTexts.of(companions);
    if (texts.isEmpty()) {
      return Optional.empty();
    }
    putTokens(settings(companions, "tokenizer_config.json"), tokens);
    putTokens(settings(companions, "special_tokens_map.json"), tokens);
    var templates = new LinkedHashMap<String, Template>();
    texts.forEach((name, text) -> templates.put(name, parse(name, text)));
    return Optional.of(new ChatTemplate(templates, tokens, clock));
  }

  private static ObjectNode settings(Map<String, byte[]> companions, String name) {
    var file = companions.get(name);
    return file == null ? Json.object() : Json.parse(file, name);
  }

  private static Template parse(String name, String text) {
    var full =
        name.equals(ChatTemplateTexts.DEFAULT) ? "chat template" : "chat template '" + name + "'";
    if (text.length() > LONGEST) {
      throw new FormatException(
          full + ": " + text.length() + " characters; at most " + LONGEST + " are read");
    }
    return Template.parse(full, text);
  }

  /** {@code bos_token} and its kin; a text, or an object with the text in {@code content}. */
  private static void putTokens(ObjectNode settings, Map<String, Object> tokens) {
    for (var entry : settings.properties()) {
      if (!entry.getKey().endsWith("_token") || tokens.containsKey(entry.getKey())) {
        continue;
      }
      var value = entry.getValue();
      var text = value.isObject() ? value.path("content") : value;
      if (text.isTextual()) {
        tokens.put(entry.getKey(), text.textValue());
      } else if (value.isNull()) {
        tokens.put(entry.getKey(), null);
      }
    }
  }

  /** Without tools and variables of the template's own. */
  public String render(List<Message> messages, boolean addGenerationPrompt) {
    return render(messages, List.of(), addGenerationPrompt, Map.of());
  }

  /**
   * The conversation as text.
   *
   * @param tools function schemas as JSON; a model with a template for them gets that one
   * @param addGenerationPrompt whether the text ends with what begins the assistant's answer
   * @param variables what else the template reads, such as {@code enable_thinking}: null, booleans,
   *     numbers, strings, JSON, and lists and maps of these
   * @throws LatheException where the template fails or refuses: its name, the line, and why
   */
  public String render(
      List<Message> messages,
      List<ObjectNode> tools,
      boolean addGenerationPrompt,
      Map<String, Object> variables) {
    var all = new LinkedHashMap<String, Object>();
    tokens.forEach(
        (name, text) -> {
          if (text != null) {
            all.put(name, text);
          }
        });
    variables.forEach((name, value) -> all.put(name, Plain.of(value)));
    all.put("messages", Plain.of(messages.stream().map(ChatTemplate::withThoughts).toList()));
    all.put("tools", tools.isEmpty() ? null : Plain.of(tools));
    all.putIfAbsent("documents", null);
    all.put("add_generation_prompt", addGenerationPrompt);
    return template(!tools.isEmpty()).render(all, LocalDateTime.now(clock));
  }

  private Template template(boolean tools) {
    var template = tools ? templates.get(TOOL_USE) : null;
    template = template == null ? templates.get(ChatTemplateTexts.DEFAULT) : template;
    if (template == null) {
      throw new LatheException(
          "the model has no default chat template, only " + String.join(", ", templates.keySet()));
    }
    return template;
  }

  /** A model's thoughts under the names that templates read them by. */
  private static ObjectNode withThoughts(Message message) {
    var json = message.json();
    for (var name : THOUGHTS) {
      if (json.hasNonNull(name)) {
        var thoughts = json.get(name);
        var copy = Json.object().<ObjectNode>set("thinking", thoughts);
        copy.setAll(json);
        return copy.set("reasoning_content", thoughts);
      }
    }
    return json;
  }
}
