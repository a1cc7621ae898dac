package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufFile;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufValue;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.format.gguf.GgufWriter;
import ai.lathe.format.gguf.GgufWriter.Planned;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that are good GGUF, and whose tensors and metadata do not belong together. */
class ContradictoryGgufTest {

  private static final int VOCABULARY = 40;
  private static final String EMBEDDING = "token_embd.weight";

  @TempDir Path directory;

  private GgufMetadata metadata;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  @BeforeEach
  void readGoodOne() {
    var llama = Models.write(directory.resolve("llama"), Models.config("llama", ""), shapes());
    var path = directory.resolve("good.gguf");
    try (var source = Checkpoints.open(llama.toString())) {
      Models.copy(
          source, GgufPlan.of(path, source, Models.asStored(source)), Models.asStored(source));
    }
    try (var file = GgufFile.open(path)) {
      metadata = vocabulary(file.metadata().toBuilder(), VOCABULARY).build();
      file.tensors()
          .keySet()
          .forEach(
              name -> {
                var tensor = file.tensor(name);
                tensors.put(name, Tensor.ofFloats(tensor.toFloats(), tensor.shape()));
              });
    }
  }

  private static Map<String, long[]> shapes() {
    var shapes = new LinkedHashMap<String, long[]>();
    shapes.put("model.embed_tokens.weight", new long[] {VOCABULARY, 16});
    for (int block = 0; block < 2; block++) {
      var stem = "model.layers." + block + ".";
      shapes.put(stem + "input_layernorm.weight", new long[] {16});
      for (var name : List.of("q", "k", "v", "o")) {
        shapes.put(stem + "self_attn." + name + "_proj.weight", new long[] {16, 16});
      }
      shapes.put(stem + "post_attention_layernorm.weight", new long[] {16});
      shapes.put(stem + "mlp.gate_proj.weight", new long[] {24, 16});
      shapes.put(stem + "mlp.up_proj.weight", new long[] {24, 16});
      shapes.put(stem + "mlp.down_proj.weight", new long[] {16, 24});
    }
    shapes.put("model.norm.weight", new long[] {16});
    shapes.put("lm_head.weight", new long[] {VOCABULARY, 16});
    return shapes;
  }

  private static GgufMetadata.Builder vocabulary(GgufMetadata.Builder builder, int tokens) {
    return builder
        .string("tokenizer.ggml.model", "llama")
        .strings(
            "tokenizer.ggml.tokens", IntStream.range(0, tokens).mapToObj(i -> "t" + i).toList())
        .f32s("tokenizer.ggml.scores", new float[tokens])
        .integers(
            "tokenizer.ggml.token_type",
            IntegerType.I32,
            IntStream.range(0, tokens).mapToLong(_ -> 1).toArray());
  }

  private Path write(GgufMetadata changed) {
    var planned = new ArrayList<Planned>();
    tensors.forEach(
        (name, tensor) ->
            planned.add(new Planned(name, tensor.shape(), new Encoding.Plain(DType.F32))));
    var path = directory.resolve("changed.gguf");
    try (var writer = GgufWriter.create(path, changed, planned)) {
      tensors.forEach(writer::write);
      writer.finish();
    }
    return path;
  }

  private void refused(GgufMetadata changed, String... message) {
    assertThatThrownBy(() -> Checkpoints.open(write(changed).toString()).close())
        .isInstanceOf(FormatException.class)
        .message()
        .doesNotContain("\n")
        .contains("changed.gguf")
        .contains(message);
  }

  private static void decodeAll(Checkpoint model) {
    for (var address : model.addresses()) {
      Models.values(model, address);
    }
  }

  @Test
  void widthsOfFeedForwardsThatNoBlockHas() {
    for (var widths : List.of(new long[] {24}, new long[] {24, 0}, new long[] {24, 1L << 40})) {
      refused(
          feedForwards(widths),
          "'llama.feed_forward_length' should hold a number from 1 to 1048576 for each of 2");
    }
    refused(feedForwards(24, 20), "'blk.1.ffn_gate.weight' should have shape [20, 16]", "[24, 16]");
    assertThatCode(() -> Checkpoints.open(write(feedForwards(24, 24)).toString()).close())
        .doesNotThrowAnyException();
  }

  private GgufMetadata feedForwards(long... widths) {
    return metadata.toBuilder()
        .put("llama.feed_forward_length", new GgufValue.Integers(IntegerType.I64, widths))
        .build();
  }

  @Test
  void theGoodOneOpens() {
    try (var model = Checkpoints.open(write(metadata).toString())) {
      decodeAll(model);
      assertThat(model.tokenizer().orElseThrow().vocabularySize()).isEqualTo(VOCABULARY);
      assertThat(model.matrix(Address.weight(Role.OUTPUT)).rows()).isEqualTo(VOCABULARY);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "embedding_length, 32, token_embd.weight",
    "block_count, 3, blk.2",
    "block_count, 1, blk.1",
    "feed_forward_length, 25, ffn_gate",
    "attention.head_count, 3, heads cannot share 2",
    "attention.head_count_kv, 1, attn_k",
    "attention.key_length, 4, values of another size",
    "rope.dimension_count, 10, rotates 10",
    "context_length, 0, context_length",
  })
  void numbersThatTheTensorsContradict(String key, long value, String message) {
    refused(metadata.toBuilder().u32("llama." + key, value).build(), message);
  }

  @ParameterizedTest
  @CsvSource({"39", "41", "1"})
  void aVocabularyOfAnotherSizeThanTheEmbedding(int tokens) {
    refused(
        vocabulary(metadata.toBuilder(), tokens).build(), "40 rows", tokens + " tokens", EMBEDDING);
  }

  @ParameterizedTest
  @CsvSource({"bos_token_id", "eos_token_id"})
  void specialTokensBeyondTheVocabulary(String key) {
    refused(metadata.toBuilder().u32("tokenizer.ggml." + key, VOCABULARY).build(), key, "40");
  }

  @ParameterizedTest
  @CsvSource({
    "token_embd.weight",
    "blk.1.attn_k.weight",
    "blk.0.attn_norm.weight",
    "output_norm.weight"
  })
  void missingTensors(String name) {
    tensors.remove(name);
    refused(metadata, name);
  }

  @Test
  void tensorsOfOtherRanks() {
    for (var shape : List.of(new long[] {640}, new long[] {40, 4, 4}, new long[] {1, 40, 16})) {
      tensors.put(EMBEDDING, Tensor.ofFloats(new float[640], shape));
      refused(metadata, EMBEDDING);
    }
    tensors.put(EMBEDDING, Tensor.ofFloats(new float[1], new long[0]));
    refused(metadata, EMBEDDING);
  }

  /** Whatever number stands in place of another: it opens and decodes, or is refused. */
  @Test
  void noOtherExceptionEscapes() {
    var values = List.of(-1L, 0L, 1L, 2L, 3L, 7L, 1L << 20, 1L << 31, 1L << 40, Long.MAX_VALUE);
    for (var entry : metadata.values().entrySet()) {
      if (entry.getValue() instanceof GgufValue.Integer) {
        for (long value : values) {
          opensOrIsRefused(b -> b.integer(entry.getKey(), IntegerType.I64, value));
        }
      } else if (entry.getValue() instanceof GgufValue.Real) {
        for (double value : new double[] {0, -1, 1e-30, 1e30, Double.NaN, 1.0 / 0}) {
          opensOrIsRefused(b -> b.f32(entry.getKey(), value));
        }
      }
      opensOrIsRefused(b -> b.remove(entry.getKey()));
      opensOrIsRefused(b -> b.string(entry.getKey(), "x"));
      opensOrIsRefused(b -> b.strings(entry.getKey(), List.of()));
    }
  }

  private void opensOrIsRefused(Consumer<GgufMetadata.Builder> change) {
    var builder = metadata.toBuilder();
    change.accept(builder);
    var path = write(builder.build());
    try (var model = Checkpoints.open(path.toString())) {
      decodeAll(model);
      model.tokenizer();
    } catch (LatheException e) {
      assertThat(e.getMessage()).isNotBlank().doesNotContain("\n");
    }
  }
}
