import ai.lathe.model.chat.jinja.Template;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How many templates of a directory render as transformers renders them, by hand:
 *
 * <pre>
 * python tools/golden_chat.py model/src/test/resources/chat TEMPLATES golden.json
 * java -cp CLASSPATH tools/CheckChatTemplates.java \
 *     model/src/test/resources/chat/conversations.json TEMPLATES golden.json
 * </pre>
 */
class CheckChatTemplates {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final LocalDateTime NOW = LocalDateTime.of(2025, 7, 6, 9, 5, 3);
  private static final Map<String, Object> TOKENS =
      Map.of("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>", "pad_token", "<pad>");

  private static int same;
  private static int rendered;
  private static int refused;
  private static int alsoRefused;

  public static void main(String[] arguments) throws Exception {
    var conversations = JSON.readTree(Path.of(arguments[0]).toFile());
    var golden = JSON.readTree(Path.of(arguments[2]).toFile());
    int whole = 0;
    for (var entry : golden.properties()) {
      var text = Files.readString(Path.of(arguments[1], entry.getKey()));
      var differences = new ArrayList<String>();
      for (var conversation : conversations) {
        var name = conversation.get("name").asText();
        if (!entry.getValue().has(name)) {
          continue;
        }
        compare(entry.getKey(), text, conversation, entry.getValue().get(name))
            .ifPresent(difference -> differences.add("  " + name + ": " + difference));
      }
      whole += differences.isEmpty() ? 1 : 0;
      if (!differences.isEmpty()) {
        System.out.println(entry.getKey());
        differences.forEach(System.out::println);
      }
    }
    System.out.printf(
        "%d of %d templates the same; %d of %d texts the same; %d of %d refusals shared%n",
        whole, golden.size(), same, rendered, alsoRefused, refused);
  }

  private static java.util.Optional<String> compare(
      String file, String text, JsonNode conversation, JsonNode wanted) {
    String got;
    try {
      got = Template.parse(file, text).render(variables(conversation), NOW);
    } catch (LatheException e) {
      refused += wanted.isNull() ? 1 : 0;
      alsoRefused += wanted.isNull() ? 1 : 0;
      rendered += wanted.isNull() ? 0 : 1;
      if (wanted.isNull()) {
        System.err.println(e.getMessage());
      }
      return wanted.isNull() ? java.util.Optional.empty() : java.util.Optional.of(e.getMessage());
    }
    if (wanted.isNull()) {
      refused++;
      return java.util.Optional.of("rendered what Python refuses");
    }
    rendered++;
    if (wanted.textValue().equals(got)) {
      same++;
      return java.util.Optional.empty();
    }
    return java.util.Optional.of(difference(wanted.textValue(), got));
  }

  private static String difference(String wanted, String got) {
    int i = 0;
    while (i < Math.min(wanted.length(), got.length()) && wanted.charAt(i) == got.charAt(i)) {
      i++;
    }
    return "wanted " + around(wanted, i) + " got " + around(got, i);
  }

  private static String around(String text, int at) {
    return JSON.valueToTree(
            text.substring(Math.max(0, at - 30), Math.min(text.length(), at + 40)))
        .toString();
  }

  private static Map<String, Object> variables(JsonNode conversation) {
    var variables = new LinkedHashMap<String, Object>(TOKENS);
    conversation.path("variables").properties()
        .forEach(entry -> variables.put(entry.getKey(), plain(entry.getValue())));
    var messages = JSON.createArrayNode();
    for (var message : conversation.get("messages")) {
      var copy = message.deepCopy();
      if (message.has("reasoning_content")) {
        copy = JSON.createObjectNode();
        var object = (com.fasterxml.jackson.databind.node.ObjectNode) copy;
        object.set("thinking", message.get("reasoning_content"));
        message.properties().forEach(entry -> object.set(entry.getKey(), entry.getValue()));
      }
      messages.add(copy);
    }
    variables.put("messages", plain(messages));
    variables.put("tools", plain(conversation.path("tools")));
    variables.put("documents", null);
    variables.put("add_generation_prompt", conversation.path("add_generation_prompt").asBoolean(true));
    return variables;
  }

  private static Object plain(JsonNode json) {
    if (json.isArray()) {
      List<Object> list = new ArrayList<>();
      json.forEach(item -> list.add(plain(item)));
      return list;
    }
    if (json.isObject()) {
      var map = new LinkedHashMap<String, Object>();
      json.properties().forEach(entry -> map.put(entry.getKey(), plain(entry.getValue())));
      return map;
    }
    return json.isTextual()
        ? json.textValue()
        : json.isIntegralNumber()
            ? (Object) json.longValue()
            : json.isNumber() ? (Object) json.doubleValue() : json.isBoolean() ? json.booleanValue() : null;
  }
}
