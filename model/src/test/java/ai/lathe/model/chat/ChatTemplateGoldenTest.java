package ai.lathe.model.chat;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The texts that transformers renders, written by tools/golden_chat.py, to the byte. */
class ChatTemplateGoldenTest {

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Clock CLOCK =
      Clock.fixed(LocalDateTime.of(2025, 7, 6, 9, 5, 3).toInstant(ZoneOffset.UTC), ZoneOffset.UTC);

  private static final String SETTINGS =
      """
      {"bos_token": "<s>", "eos_token": {"content": "</s>", "special": true},
       "unk_token": "<unk>", "pad_token": "<pad>"}
      """;

  static Stream<Arguments> cases() throws IOException {
    var golden = JSON.readTree(resource("golden.json"));
    var conversations = JSON.readTree(resource("conversations.json"));
    var cases = new ArrayList<Arguments>();
    for (var template : golden.properties()) {
      for (var conversation : conversations) {
        var name = conversation.get("name").asText();
        var expected = template.getValue().get(name);
        if (expected != null) {
          cases.add(Arguments.of(template.getKey(), name, conversation, expected));
        }
      }
    }
    return cases.stream();
  }

  @ParameterizedTest(name = "{0}: {1}")
  @MethodSource("cases")
  void rendersAsTransformersDoes(String file, String name, JsonNode conversation, JsonNode expected)
      throws IOException {
    var template =
        ChatTemplate.of(
                Map.of(
                    "chat_template.jinja", resource("templates/" + file),
                    "tokenizer_config.json", SETTINGS.getBytes(UTF_8)),
                new LinkedHashMap<>(),
                CLOCK)
            .orElseThrow();
    if (expected.isNull()) {
      assertThatThrownBy(() -> render(template, conversation))
          .isInstanceOf(LatheException.class)
          .hasMessageMatching("chat template, line [1-9][0-9]*: .+");
    } else {
      assertThat(render(template, conversation)).isEqualTo(expected.textValue());
    }
  }

  private static String render(ChatTemplate template, JsonNode conversation) {
    List<Message> messages = new ArrayList<>();
    conversation
        .get("messages")
        .forEach(message -> messages.add(new Message((ObjectNode) message)));
    List<ObjectNode> tools = new ArrayList<>();
    conversation.path("tools").forEach(tool -> tools.add((ObjectNode) tool));
    var variables = new LinkedHashMap<String, Object>();
    conversation
        .path("variables")
        .properties()
        .forEach(entry -> variables.put(entry.getKey(), entry.getValue()));
    return template.render(
        messages, tools, conversation.path("add_generation_prompt").asBoolean(true), variables);
  }

  private static byte[] resource(String name) throws IOException {
    try (var in = ChatTemplateGoldenTest.class.getResourceAsStream("/chat/" + name)) {
      return in.readAllBytes();
    }
  }
}
