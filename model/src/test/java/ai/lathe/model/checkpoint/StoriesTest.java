package ai.lathe.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointWriter;
import ai.lathe.model.SharedData;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.tokenizer.GgufTokenizerKeys;
import ai.lathe.model.tokenizer.GgufVocabulary;
import ai.lathe.model.tokenizer.JsonTokenizer;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoriesTest {

  @Test
  void opensARealModel() throws Exception {
    var directory = SharedData.get("models/stories260K");
    try (var model = Checkpoints.open(directory)) {
      assertThat(model.architecture().name()).isEqualTo("llama");
      assertThat(model.config().headSize()).isEqualTo(8);
      assertThat(model.config().keyValueHeads()).isEqualTo(4);
      assertThat(model.config().tiedEmbeddings()).isTrue();
      assertThat(model.config().dtype()).isEqualTo(DType.F32);
      assertThat(model.config().beginToken()).hasValue(1);
      // 1 embedding, 5 blocks of 2 norms and 7 linears, 1 norm
      assertThat(model.addresses()).hasSize(47);
      assertThat(model.addresses().getFirst()).isEqualTo(Address.weight(Role.TOKEN_EMBEDDING));
      assertThat(model.addresses().getLast()).isEqualTo(Address.weight(Role.OUTPUT_NORM));
      assertThat(model.matrix(4, Role.KEY).rows()).isEqualTo(32);
      assertThat(model.matrix(Address.weight(Role.OUTPUT)).rows()).isEqualTo(512);
      assertThat(model.name(Address.weight(3, Role.DOWN)))
          .isEqualTo("model.layers.3.mlp.down_proj");
      long files = 0;
      try (var list = Files.list(directory)) {
        for (var file : list.toList()) {
          files += Files.size(file);
        }
      }
      assertThat(model.bytes()).isEqualTo(files);
    }
  }

  @Test
  void tokenizes() {
    try (var model = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var tokenizer = model.tokenizer().orElseThrow();
      assertThat(tokenizer.vocabularySize()).isEqualTo(512);
      assertThat(tokenizer.encode("Once upon a time")).containsExactly(1, 403, 407, 261, 378);
      assertThat(tokenizer.encodePlain("Once upon a time")).containsExactly(403, 407, 261, 378);
      assertThat(tokenizer.decode(new int[] {1, 403, 407, 261, 378})).isEqualTo("Once upon a time");
    }
  }

  @TempDir Path folder;

  @Test
  void becomesGgufAndComesBack() throws Exception {
    var text = Files.readString(SharedData.get("text/tinystories_a.txt")).substring(0, 50_000);
    var gguf = folder.resolve("stories.gguf");
    try (var source = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var encodings = Models.asStored(source);
      var plan = CheckpointWriters.gguf(gguf, source, encodings);
      Models.copy(source, plan, encodings);
      assertThat(Files.size(gguf)).isEqualTo(plan.bytes());
      try (var converted = Checkpoints.open(gguf)) {
        Models.assertSame(converted, source);
        assertThat(converted.format()).isEqualTo("GGUF F32");
        var ours = converted.tokenizer().orElseThrow();
        var theirs = source.tokenizer().orElseThrow();
        assertThat(ours.encode(text)).isEqualTo(theirs.encode(text));
        assertThat(ours.decode(ours.encode(text))).isEqualTo(theirs.decode(theirs.encode(text)));
      }
    }
  }

  /** The vocabulary's own keys, as llama.cpp reads them, without the tokenizer.json beside. */
  @Test
  void itsScoresGiveTheSameTokens() throws Exception {
    var text = Files.readString(SharedData.get("text/tinystories_a.txt")).substring(0, 50_000);
    try (var source = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var metadata = GgufMetadata.builder();
      GgufTokenizerKeys.put(source.companions(), source.config(), metadata);
      var keys = metadata.remove("tokenizer.huggingface.json").build();
      try (var tokenizer = JsonTokenizer.of(GgufVocabulary.tokenizerJson(keys, "keys"), "keys")) {
        assertThat(tokenizer.encode(text)).isEqualTo(source.tokenizer().orElseThrow().encode(text));
      }
    }
  }

  @Test
  void becomesCompressedTensorsAndComesBack() {
    var packed = folder.resolve("packed");
    var four = new Encoding.Grouped(new IntegerScheme(4, 32, true, Activations.NONE), DType.F16);
    var eight =
        new Encoding.Grouped(
            new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN), DType.F16);
    for (var scheme : List.of(four, eight)) {
      try (var source = Checkpoints.open(SharedData.get("models/stories260K"))) {
        var encodings =
            Models.encodings(
                source,
                (address, weight) ->
                    address.block() == Address.OUTSIDE || weight.columns() % 32 != 0
                        ? weight.encoding()
                        : scheme);
        var plan = CheckpointWriters.huggingFace(packed, source, encodings);
        Models.copy(source, plan, encodings);
        assertThat(Models.bytesBelow(packed)).isEqualTo(plan.bytes());
        try (var written = Checkpoints.open(packed)) {
          assertThat(written.format()).startsWith("safetensors (compressed-tensors ");
          assertThat(written.bytes()).isEqualTo(plan.bytes());
          for (var address : source.addresses()) {
            if (encodings.containsKey(address)) {
              var expected = Models.encode(source.matrix(address), encodings.get(address));
              assertThat(written.matrix(address).encoding()).isEqualTo(encodings.get(address));
              assertThat(written.matrix(address).decode().values())
                  .isEqualTo(expected.decode().values());
            }
          }
          assertThat(written.tokenizer().orElseThrow().encode("Once upon a time"))
              .containsExactly(1, 403, 407, 261, 378);
        }
      }
    }
  }

  @Test
  void aKilledWriterIsResumedToTheSameBytes() throws Exception {
    try (var source = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var encodings = Models.asStored(source);
      for (var format : List.of("whole.gguf", "whole")) {
        var whole = plan(folder.resolve(format), source, encodings);
        Models.copy(source, whole, encodings);
        var target = Files.createDirectories(folder.resolve("again")).resolve(format);
        var plan = plan(target, source, encodings);
        var first = source.addresses().subList(0, 20);
        try (var writer = plan.create()) {
          first.forEach(address -> write(writer, source, address));
          writer.flush();
          try (var staged = Checkpoints.open(writer.staging())) {
            assertThat(Models.values(staged, first.get(19)))
                .isEqualTo(Models.values(source, first.get(19)));
          }
        }
        assertThat(target).doesNotExist();
        try (var writer = plan.resume(first)) {
          source.addresses().stream().skip(20).forEach(a -> write(writer, source, a));
          writer.finish();
        }
        var name = format.endsWith(".gguf") ? "" : "model.safetensors";
        assertThat(Files.mismatch(target.resolve(name), whole.target().resolve(name)))
            .isEqualTo(-1);
      }
    }
  }

  @Test
  void anUnfinishedWriterLeavesNothing() {
    try (var source = Checkpoints.open(SharedData.get("models/stories260K"))) {
      var plan = plan(folder.resolve("gone"), source, Models.asStored(source));
      try (var writer = plan.create()) {
        assertThatThrownBy(writer::finish)
            .isInstanceOf(LatheException.class)
            .hasMessageContaining("47 of 47 tensors were not written");
      }
      assertThat(folder).isEmptyDirectory();
    }
  }

  private static CheckpointPlan plan(
      Path target, Checkpoint source, Map<Address, Encoding> encodings) {
    return target.toString().endsWith(".gguf")
        ? CheckpointWriters.gguf(target, source, encodings)
        : CheckpointWriters.huggingFace(target, source, encodings);
  }

  private static void write(CheckpointWriter writer, Checkpoint source, Address address) {
    if (CheckpointWriters.isMatrix(source, address)) {
      writer.write(address, source.matrix(address));
    } else {
      writer.write(address, source.vector(address).orElseThrow());
    }
  }
}
