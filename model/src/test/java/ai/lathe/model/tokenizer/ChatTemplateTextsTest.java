package ai.lathe.model.tokenizer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.gguf.GgufMetadata;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ChatTemplateTextsTest {

  private static final byte[] ONE = "{\"chat_template\": \"settings\"}".getBytes(UTF_8);

  private static final byte[] SEVERAL =
      """
      {"chat_template": [{"name": "default", "template": "plain"},
                         {"name": "tool_use", "template": "with tools"},
                         {"name": "rag-2", "template": "with documents"}]}
      """
          .getBytes(UTF_8);

  @Test
  void theFileOfItsOwnComesFirst() {
    var file = "the file".getBytes(UTF_8);
    var old = "{\"chat_template\": \"the old file\"}".getBytes(UTF_8);
    assertThat(
            ChatTemplateTexts.of(
                Map.of(
                    "chat_template.jinja", file,
                    "tokenizer_config.json", ONE,
                    "chat_template.json", old)))
        .isEqualTo(Map.of("default", "the file"));
    assertThat(
            ChatTemplateTexts.of(Map.of("tokenizer_config.json", ONE, "chat_template.json", old)))
        .isEqualTo(Map.of("default", "settings"));
    assertThat(
            ChatTemplateTexts.of(
                Map.of("tokenizer_config.json", "{}".getBytes(UTF_8), "chat_template.json", old)))
        .isEqualTo(Map.of("default", "the old file"));
    assertThat(ChatTemplateTexts.of(Map.of())).isEmpty();
  }

  @Test
  void goesToGgufAndBack() {
    for (var settings : List.of(ONE, SEVERAL)) {
      var texts = ChatTemplateTexts.of(Map.of("tokenizer_config.json", settings));
      var metadata = GgufMetadata.builder();
      ChatTemplateTexts.put(texts, metadata);
      var back = Json.object();
      ChatTemplateTexts.put(metadata.build(), back);
      var again = ChatTemplateTexts.of(Map.of("tokenizer_config.json", Json.print(back)));
      assertThat(again.values()).containsExactlyElementsOf(texts.values());
      assertThat(again).containsEntry("default", texts.get("default"));
    }
    var metadata = GgufMetadata.builder();
    ChatTemplateTexts.put(ChatTemplateTexts.of(Map.of("tokenizer_config.json", SEVERAL)), metadata);
    assertThat(metadata.build().strings("tokenizer.chat_templates"))
        .containsExactly("tool_use", "rag_2");
    assertThat(metadata.build().string("tokenizer.chat_template")).isEqualTo("plain");
  }

  @Test
  void aNameWithoutItsTemplateIsAnError() {
    var metadata = GgufMetadata.builder();
    metadata.strings("tokenizer.chat_templates", List.of("tool_use"));
    assertThatThrownBy(() -> ChatTemplateTexts.put(metadata.build(), Json.object()))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("tokenizer.chat_template.tool_use");
  }
}
