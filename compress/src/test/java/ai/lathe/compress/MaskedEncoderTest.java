package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole job on a tiny encoder with a head for masked tokens. */
class MaskedEncoderTest {

  private static final Path GOLDEN = Path.of("../torch/src/test/resources/golden/bert-masked");
  private static final Sparsity HALF = new Sparsity(0.5, Pattern.UNSTRUCTURED);

  @TempDir static Path folder;
  private static int threads;
  private static Path model;
  private static Path text;

  private final List<String> messages = new ArrayList<>();

  @BeforeAll
  static void model() throws IOException {
    threads = Torch.threads();
    Torch.threads(1);
    model = Files.createDirectories(folder.resolve("bert"));
    for (var file : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(GOLDEN.resolve(file), model.resolve(file));
    }
    Files.write(model.resolve("tokenizer.json"), LetterTokenizer.ofAnEncoder());
    var whole = Files.readString(EmbeddedModel.extract(folder.resolve("embedded")).heldOut());
    text = Files.writeString(folder.resolve("text.txt"), whole.substring(0, 16_000));
  }

  @AfterAll
  static void asManyThreadsAsBefore() {
    Torch.threads(threads);
  }

  private Report run(String name, Recipe recipe) {
    return Compression.run(
        new CompressionRequest(
            model.toString(),
            folder.resolve(name),
            recipe,
            Optional.of(text),
            Optional.of(text),
            "text",
            16,
            Optional.of(40),
            1,
            false,
            true),
        Progress.NONE,
        messages::add);
  }

  private static Recipe obert(Map<String, Object> more) {
    var settings = new TreeMap<String, Object>(Map.of("num_grads", 8, "batch_size", 2));
    settings.putAll(more);
    return Recipe.pruning("obert", HALF, settings);
  }

  @Test
  void isPrunedByItsMaskedTokensAndKeepsItsHead() {
    var report = run("pruned", obert(Map.of()));
    var measured = (Measurement.Embedding) report.quality();
    assertThat(measured.masked().kl()).isPositive();
    assertThat(measured.masked().tokens()).isGreaterThan(50);
    assertThat(measured.masked().perplexity())
        .isNotEqualTo(measured.masked().referencePerplexity());
    try (var source = Checkpoints.open(model);
        var written = Checkpoints.open(folder.resolve("pruned"))) {
      assertThat(written.addresses()).isEqualTo(source.addresses());
      for (var address : source.addresses()) {
        if (Role.BESIDE.contains(address.role())) {
          assertThat(values(written, address)).isEqualTo(values(source, address));
        }
      }
    }
    // Another loss leaves other weights.
    var byEmbedding = run("embedding", obert(Map.of("loss", "embedding")));
    assertThat(((Measurement.Embedding) byEmbedding.quality()).masked().kl())
        .isNotEqualTo(measured.masked().kl());
  }

  @Test
  void losesLessByItsGradientsThanByMagnitude() {
    var magnitude = Recipe.pruning("magnitude", HALF, Map.<String, Object>of("scope", "global"));
    var more = Map.<String, Object>of("num_grads", 32, "batch_size", 4);
    double first = masked(run("magnitude", magnitude)).kl();
    assertThat(masked(run("second", obert(more))).kl()).isLessThan(first);
    var taught = new TreeMap<>(more);
    taught.put("loss", "distillation");
    taught.put("num_recomputations", 2);
    assertThat(masked(run("taught", obert(taught))).kl()).isLessThan(first);
  }

  private static Measurement.Masked masked(Report report) {
    return ((Measurement.Embedding) report.quality()).masked();
  }

  @Test
  void itsHeadIsNotRoundedWithTheRest() {
    run("rounded", Recipe.preset("rtn", "W8A16", Optional.of(16)));
    try (var source = Checkpoints.open(model);
        var written = Checkpoints.open(folder.resolve("rounded"))) {
      var transform = Address.weight(Role.HEAD_TRANSFORM);
      assertThat(values(written, transform)).isEqualTo(values(source, transform));
      var query = Address.weight(0, Role.QUERY);
      assertThat(values(written, query)).isNotEqualTo(values(source, query));
    }
  }

  @Test
  void ggufHasNoPlaceForItsHead() {
    var report = run("model.gguf", obert(Map.of()));
    assertThat(messages)
        .contains(
            "note: the head that predicts masked tokens is left out: GGUF has no place for it");
    assertThat(report.notes()).anyMatch(note -> note.contains("head that predicts masked tokens"));
    assertThat(((Measurement.Embedding) report.quality()).masked()).isNull();
    try (var written = Checkpoints.open(folder.resolve("model.gguf"))) {
      assertThat(written.architecture().has(Role.OUTPUT)).isFalse();
    }
  }

  @Test
  void aTokenizerWithoutAMaskIsOneLine() throws IOException {
    var other = Files.createDirectories(folder.resolve("unmasked"));
    for (var file : new String[] {"config.json", "model.safetensors"}) {
      Files.copy(GOLDEN.resolve(file), other.resolve(file));
    }
    Files.write(other.resolve("tokenizer.json"), LetterTokenizer.plain());
    var request = CompressionRequest.of(other.toString(), folder.resolve("never"), obert(Map.of()));
    assertThatThrownBy(() -> Compression.run(request, Progress.NONE, messages::add))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the tokenizer has no [MASK] token");
  }

  private static float[] values(Checkpoint checkpoint, Address address) {
    return address.isVector(checkpoint.architecture())
        ? checkpoint.vector(address).orElseThrow().toFloats()
        : checkpoint.matrix(address).decode().values();
  }
}
