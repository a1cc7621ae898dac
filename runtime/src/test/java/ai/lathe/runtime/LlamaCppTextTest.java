package ai.lathe.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import ai.lathe.format.Json;
import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Greedy text is llama.cpp's, from the same F16 GGUF. What llama.cpp wrote stands in the resources;
 * tools/check_llama_text.sh wrote it.
 */
class LlamaCppTextTest {

  @TempDir Path folder;

  @Test
  void ofTheEmbeddedModel() throws IOException {
    compare(EmbeddedModel.extract(folder.resolve("model")).directory(), "llama-embedded.json");
  }

  @Test
  void ofStories260K() throws IOException {
    compare(stories(), "llama-stories260K.json");
  }

  private static Path stories() {
    for (var at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
      var model = at.resolve("shared/data/models/stories260K");
      if (Files.exists(model)) {
        return model;
      }
    }
    return abort("shared/data/models/stories260K is not there");
  }

  private void compare(Path model, String golden) throws IOException {
    var file = gguf(model);
    var texts = texts(golden);
    assertThat(texts).hasSize(4);
    for (var kernels : List.of("scalar", "vector")) {
      var options = RuntimeOptions.DEFAULT.withThreads(2).withKernels(kernels);
      try (var opened = TextModel.open(file.toString(), options, Progress.NONE)) {
        for (var text : texts) {
          var expected = ints(text.get("output"));
          assertThat(expected).hasSize(40);
          var generation =
              opened.generate(
                  ints(text.get("prompt")),
                  GenerationOptions.greedy().withMaxTokens(40).withIgnoreEnd(true),
                  GenerationListener.NONE);
          assertThat(generation.tokens().stream().mapToInt(i -> i).toArray())
              .as("%s, kernels %s", text.get("prompt"), kernels)
              .isEqualTo(expected);
        }
      }
    }
  }

  private static List<JsonNode> texts(String golden) throws IOException {
    try (var stream = LlamaCppTextTest.class.getResourceAsStream(golden)) {
      var text = "{\"texts\": " + new String(stream.readAllBytes(), "UTF-8") + "}";
      return Json.parse(text.getBytes("UTF-8"), golden).get("texts").valueStream().toList();
    }
  }

  private static int[] ints(JsonNode array) {
    return array.valueStream().mapToInt(JsonNode::intValue).toArray();
  }

  /** All matrices in float16. */
  private Path gguf(Path model) {
    var file = folder.resolve("f16.gguf");
    try (var source = Checkpoints.open(model);
        var arena = Arena.ofShared()) {
      var half = new LinkedHashMap<Address, Encoding>();
      for (var address : source.addresses()) {
        var kind = source.architecture().parameter(address.role()).kind();
        if (kind != Parameter.Kind.NORM) {
          half.put(address, new Encoding.Plain(DType.F16));
        }
      }
      try (var writer = CheckpointWriters.gguf(file, source, half).create()) {
        for (var address : source.addresses()) {
          if (half.containsKey(address)) {
            var weight = source.matrix(address).decode();
            var tensor = Tensor.ofFloats(weight.values(), weight.rows(), weight.columns());
            writer.write(address, new Dense(tensor.to(DType.F16, arena)));
          } else {
            writer.write(address, source.vector(address).orElseThrow());
          }
        }
        writer.finish();
      }
    }
    return file;
  }
}
