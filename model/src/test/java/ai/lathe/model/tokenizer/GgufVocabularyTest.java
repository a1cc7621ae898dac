package ai.lathe.model.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.format.Json;
import ai.lathe.format.gguf.GgufFile;
import ai.lathe.model.SharedData;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** GGUF vocabularies against Hugging Face's own files of the same tokenizers. */
class GgufVocabularyTest {

  @Test
  void scoresGiveTheMergesOfHuggingFacesConverter() {
    // This file's scores fall with the id but for runs of spaces, which come last.
    var model = Json.read(SharedData.get("tokenizers/llama2_tokenizer.json")).path("model");
    var ids = new HashMap<String, Integer>();
    model.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt()));
    var tokens = new String[ids.size()];
    ids.forEach((token, id) -> tokens[id] = token);
    var scores = new double[tokens.length];
    for (int id = 259; id < scores.length; id++) {
      scores[id] = onlySpaces(tokens[id]) ? -1e9 : 259 - id;
    }
    var merges = SentencePieceMerges.of(List.of(tokens), scores, ids);
    assertThat(merges.stream().map(merge -> merge.left() + " " + merge.right()))
        .hasSize(58980)
        .isEqualTo(stream(model.path("merges")).toList());
  }

  private static boolean onlySpaces(String token) {
    return token.chars().allMatch(c -> c == '\u2581');
  }

  private static Stream<String> stream(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::asText);
  }

  /** Counts and checksums of llama.cpp's own ids: tools/reference/llama-tokenize.mjs. */
  @ParameterizedTest
  @CsvSource({
    "ggml-vocab-llama-spm.gguf, 27435, 1343248050",
    "ggml-vocab-gpt-2.gguf, 22809, 1091146899",
    "ggml-vocab-bert-bge.gguf, 21862, 1958018383"
  })
  void givesTheIdsOfLlamaCpp(String file, int count, long checksum) throws Exception {
    var text = Files.readString(SharedData.get("text/wiki.test.raw")).substring(0, 100_000);
    try (var tokenizer = JsonTokenizer.of(fromGguf("tokenizers/" + file), file)) {
      var ids = tokenizer.encodePlain(text);
      assertThat(ids).hasSize(count);
      var bytes = ByteBuffer.allocate(ids.length * 4).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asIntBuffer().put(ids);
      var crc = new CRC32();
      crc.update(bytes);
      assertThat(crc.getValue()).isEqualTo(checksum);
    }
  }

  @Test
  void llamaTakesEveryCharacter() {
    var json = fromGguf("tokenizers/ggml-vocab-llama-spm.gguf");
    try (var tokenizer = JsonTokenizer.of(json, "llama-spm")) {
      var text = "Zo\u00eb \ud83d\ude00 \u4e2d\u6587  two spaces\n\ttab";
      assertThat(tokenizer.encode(text)).startsWith(1);
      assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
      assertThat(tokenizer.vocabularySize()).isEqualTo(32000);
    }
  }

  @Test
  void gpt2HasTheVocabularyAndMergesOfItsOwnFiles() throws Exception {
    var made = fromGguf("tokenizers/ggml-vocab-gpt-2.gguf");
    var encoder = Json.read(SharedData.get("tokenizers/gpt2_encoder.json"));
    var ours = new HashMap<String, Integer>();
    made.path("model")
        .path("vocab")
        .properties()
        .forEach(e -> ours.put(e.getKey(), e.getValue().asInt()));
    var theirs = new HashMap<String, Integer>();
    encoder.properties().forEach(e -> theirs.put(e.getKey(), e.getValue().asInt()));
    assertThat(ours).isEqualTo(theirs);
    var merges =
        Files.readAllLines(SharedData.get("tokenizers/gpt2_vocab.bpe")).stream().skip(1).toList();
    assertThat(stream(made.path("model").path("merges")).toList()).isEqualTo(merges);
    try (var tokenizer = JsonTokenizer.of(made, "gpt-2")) {
      // From the GPT-2 tokenizer of Hugging Face transformers.
      assertThat(tokenizer.encode("Hello world, it's 2024!"))
          .containsExactly(15496, 995, 11, 340, 338, 48609, 0);
    }
  }

  @Test
  void bertFindsItsWordPieces() {
    try (var tokenizer =
        JsonTokenizer.of(fromGguf("tokenizers/ggml-vocab-bert-bge.gguf"), "bert-bge")) {
      // From bert-base-uncased: [CLS] hello world , un ##bel ##ie ##va ##ble [SEP]
      assertThat(tokenizer.encode("Hello world, unaffable"))
          .startsWith(101, 7592, 2088, 1010)
          .endsWith(102);
      assertThat(tokenizer.encode("unaffable")).containsExactly(101, 14477, 20961, 3468, 102);
    }
  }

  private static com.fasterxml.jackson.databind.node.ObjectNode fromGguf(String name) {
    Path path = SharedData.get(name);
    try (var file = GgufFile.open(path)) {
      return GgufVocabulary.tokenizerJson(file.metadata(), path.toString());
    }
  }
}
