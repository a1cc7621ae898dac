package ai.lathe.cli;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Schemes;
import ai.lathe.eval.data.TextData;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.block.BlockTypes;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * One compression that the demo shows.
 *
 * @param model to compress
 * @param name of the model, for the table
 * @param scheme for the table
 * @param method {@code gptq} or {@code rtn}
 * @param artifact file or directory in the demo's folder
 */
record DemoExhibit(
    String model, String name, String scheme, String method, String artifact, Recipe recipe) {

  /** Enough to tell the methods apart, and little enough to wait for. */
  private static final int SAMPLES = 64;

  private static final int SEQUENCE_LENGTH = 128;

  /** The embedded decoder's rows are short: groups of 128 would nearly be whole rows. */
  private static final int DECODER_GROUP = 32;

  /** MiniLM: what an application would deploy, and how far down four bits can go. */
  static List<DemoExhibit> encoder(String model) {
    return List.of(
        integers(model, "MiniLM", "W8A8", "rtn", IntegerScheme.CHANNEL),
        integers(model, "MiniLM", "W4A16", "rtn", 64),
        integers(model, "MiniLM", "W4A16", "gptq", 64),
        blocks(model, "MiniLM", BlockTypes.Q8_0, "rtn"),
        blocks(model, "MiniLM", BlockTypes.Q4_0, "rtn"),
        blocks(model, "MiniLM", BlockTypes.Q4_0, "gptq"));
  }

  /** The language model: from nearly lossless to three bits, where the method decides. */
  static List<DemoExhibit> decoder(String model) {
    return List.of(
        integers(model, "decoder", "W8A16", "rtn", DECODER_GROUP),
        integers(model, "decoder", "W4A16", "rtn", DECODER_GROUP),
        integers(model, "decoder", "W4A16", "gptq", DECODER_GROUP),
        integers(model, "decoder", "W3A16", "rtn", DECODER_GROUP),
        integers(model, "decoder", "W3A16", "gptq", DECODER_GROUP),
        blocks(model, "decoder", BlockTypes.Q8_0, "rtn"),
        blocks(model, "decoder", BlockTypes.Q6_K, "gptq"),
        blocks(model, "decoder", BlockTypes.Q4_K, "gptq"));
  }

  CompressionRequest request(Path folder) {
    return new CompressionRequest(
        model,
        folder.resolve(artifact),
        recipe,
        Optional.empty(),
        Optional.empty(),
        TextData.DEFAULT_FIELD,
        SAMPLES,
        Optional.of(SEQUENCE_LENGTH),
        0,
        false,
        true);
  }

  private static DemoExhibit integers(
      String model, String name, String preset, String method, int group) {
    var scheme = Schemes.named(preset).withGroupSize(group);
    var recipe = Recipe.uniform(method, scheme, Optional.empty(), Optional.empty(), Map.of());
    return new DemoExhibit(
        model,
        name,
        preset + (group == IntegerScheme.CHANNEL ? " channel" : " g" + group),
        method,
        "%s-%s-%s".formatted(name.toLowerCase(Locale.ROOT), preset, method),
        recipe);
  }

  private static DemoExhibit blocks(String model, String name, BlockType type, String method) {
    return new DemoExhibit(
        model,
        name,
        type.name(),
        method,
        "%s-%s-%s.gguf".formatted(name.toLowerCase(Locale.ROOT), type.name(), method),
        Recipe.gguf(method, type, Map.of()));
  }
}
