package ai.lathe.model.chat;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTemplateTest {

  private static final List<Message> HELLO = List.of(Message.user("Hello"));

  private static Optional<ChatTemplate> of(String... filesAndTexts) {
    var files = new HashMap<String, byte[]>();
    for (int i = 0; i < filesAndTexts.length; i += 2) {
      files.put(filesAndTexts[i], filesAndTexts[i + 1].getBytes(UTF_8));
    }
    return ChatTemplate.of(files, new LinkedHashMap<>(), Clock.systemUTC());
  }

  private static ChatTemplate template(String text) {
    return of("chat_template.jinja", text).orElseThrow();
  }

  @Test
  void aModelWithoutTemplateHasNone() {
    assertThat(of("tokenizer_config.json", "{\"bos_token\": \"<s>\"}")).isEmpty();
  }

  @Test
  void toolsChooseTheirTemplate() {
    var two =
        of(
                "tokenizer_config.json",
                """
                {"chat_template": [{"name": "default", "template": "plain"},
                                   {"name": "tool_use", "template": "{{ tools[0].name }}"}]}
                """)
            .orElseThrow();
    var tool = Json.object().put("name", "add");
    assertThat(two.render(HELLO, true)).isEqualTo("plain");
    assertThat(two.render(HELLO, List.of(tool), true, Map.of())).isEqualTo("add");
    assertThat(template("{{ tools is none }}").render(HELLO, true)).isEqualTo("True");
    assertThat(template("one").render(HELLO, List.of(tool), true, Map.of())).isEqualTo("one");
    var odd =
        of(
                "tokenizer_config.json",
                "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"r\"}]}")
            .orElseThrow();
    assertThatThrownBy(() -> odd.render(HELLO, true))
        .isInstanceOf(LatheException.class)
        .hasMessage("the model has no default chat template, only rag");
  }

  @Test
  void specialTokensComeFromTheFiles() {
    var template =
        of(
                "chat_template.jinja",
                "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token is defined }}",
                "tokenizer_config.json",
                """
                {"bos_token": {"content": "<b>"}, "eos_token": "<e>", "unk_token": null,
                 "add_bos_token": true}
                """,
                "special_tokens_map.json",
                "{\"eos_token\": \"other\", \"pad_token\": \"<p>\", \"unk_token\": \"<u>\"}")
            .orElseThrow();
    assertThat(template.render(HELLO, true)).isEqualTo("<b>|<e>|<p>|False");
  }

  @Test
  void variablesAreJsonAndNothingElse() {
    var template = template("{{ x }} {{ y.z }} {{ big }} {{ f }}");
    var variables = new HashMap<String, Object>();
    variables.put("x", Arrays.asList(1, null, 2.5f, "s"));
    variables.put("y", Map.of("z", Json.object().put("k", true)));
    variables.put("big", new java.math.BigInteger("123456789012345678901234567890"));
    variables.put("f", (short) 7);
    assertThat(template.render(HELLO, List.of(), true, variables))
        .isEqualTo("[1, None, 2.5, 's'] {'k': True} 123456789012345678901234567890 7");
    assertThatThrownBy(
            () -> template.render(HELLO, List.of(), true, Map.of("x", new StringBuilder("s"))))
        .isInstanceOf(LatheException.class)
        .hasMessage("a chat template takes JSON values, not StringBuilder");
  }

  @Test
  void thoughtsHaveTheirNames() {
    var message =
        new Message(
            Json.object().put("role", "assistant").put("content", "x").put("reasoning", "Hm"));
    assertThat(
            template("{{ messages[0].reasoning_content }} {{ messages[0].thinking }}")
                .render(List.of(message), false))
        .isEqualTo("Hm Hm");
    assertThat(message.json().has("thinking")).isFalse();
  }

  @Test
  void failuresNameTemplateAndLine() {
    assertThatThrownBy(() -> template("a\n{% if x %}\nb"))
        .isInstanceOf(FormatException.class)
        .hasMessage("chat template, line 2: 'if' without 'endif'");
    assertThatThrownBy(
            () ->
                of(
                    "tokenizer_config.json",
                    "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"{{ 1 + }}\"}]}"))
        .isInstanceOf(FormatException.class)
        .hasMessage("chat template 'tool_use', line 1: expected an expression, found '}}'");
    assertThatThrownBy(
            () ->
                template("\n\n{{ raise_exception('Only user\\nand assistant') }}")
                    .render(HELLO, true))
        .isInstanceOf(LatheException.class)
        .hasMessage("chat template, line 3: the template refuses: Only user?and assistant");
    assertThatThrownBy(() -> new Message(Json.object().put("content", "x")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("needs a role");
  }

  @Test
  void theTextBeginsWithOneBeginToken(@TempDir Path directory) throws IOException {
    EmbeddedModel.extract(directory);
    try (var checkpoint = Checkpoints.open(directory)) {
      assertThat(ChatTemplate.of(checkpoint)).isEmpty();
    }
    Files.writeString(
        directory.resolve("chat_template.jinja"),
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
    try (var checkpoint = Checkpoints.open(directory)) {
      var tokenizer = checkpoint.tokenizer().orElseThrow();
      var text = ChatTemplate.of(checkpoint).orElseThrow().render(HELLO, true);
      int begin = checkpoint.config().beginToken().getAsInt();
      int end = checkpoint.config().endToken().getAsInt();
      var plain = tokenizer.encodePlain(text);
      assertThat(plain).startsWith(begin).endsWith(end);
      assertThat(Arrays.stream(plain).filter(id -> id == begin)).hasSize(1);
      assertThat(tokenizer.decode(plain)).isEqualTo("Hello");
    }
  }
}
