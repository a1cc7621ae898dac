package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LevelDatabaseTest {

  private static final int SAMPLES = 8;
  private static final int LENGTH = 64;

  @TempDir static Path folder;
  private static EmbeddedModel model;
  private static Checkpoint source;
  private static List<int[]> sequences;
  private static LevelDatabase database;

  @BeforeAll
  static void build() {
    model = EmbeddedModel.extract(folder.resolve("embedded"));
    source = Checkpoints.open(model.directory());
    sequences =
        Texts.calibration(
                ModelKind.DECODER,
                source.tokenizer().orElseThrow(),
                TextData.open(model.calibration(), "text"),
                SAMPLES,
                LENGTH,
                0)
            .calibration();
    database = build("db", "W2A16", "W4A16", "W8A16");
  }

  @AfterAll
  static void close() {
    database.close();
    source.close();
  }

  private static LevelDatabase build(String name, String... levels) {
    var request =
        DatabaseRequest.of(
            folder.resolve(name), LevelSpec.all(List.of(levels)), Target.HUGGING_FACE);
    return LevelDatabase.build(source, sequences, request, Progress.NONE, _ -> {});
  }

  @Test
  void layersThatRunAsOneProductAreOneUnit() {
    var units = database.table().units();
    assertThat(units).hasSize(4 * 4);
    assertThat(units.getFirst().members())
        .containsExactly(
            Address.weight(0, Role.QUERY),
            Address.weight(0, Role.KEY),
            Address.weight(0, Role.VALUE));
    assertThat(units.stream().map(Unit::name))
        .startsWith("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.o_proj");
    for (var unit : units) {
      assertThat(unit.options().stream().map(Option::level))
          .containsExactly("W2A16", "W4A16", "W8A16", LevelStore.ORIGINAL);
      assertThat(unit.options().stream().map(Option::bytes)).isSorted();
      var two = unit.options().get(0).losses();
      var four = unit.options().get(1).losses();
      var original = unit.options().get(3).losses();
      for (var measure : List.of(Measure.OUTPUT, Measure.WEIGHT, Measure.HESSIAN, Measure.FISHER)) {
        assertThat(two.get(measure)).isGreaterThan(4 * four.get(measure));
        assertThat(original.get(measure)).isZero();
      }
    }
  }

  /** Before block 0 nothing is compressed, so that an artifact's first block sees the same. */
  @Test
  void weightsAndBytesAreThoseOfTheUniformArtifact() {
    var request =
        new CompressionRequest(
            model.directory().toString(),
            folder.resolve("uniform"),
            Recipe.preset("gptq", "W4A16", Optional.empty()),
            Optional.of(model.calibration()),
            Optional.of(model.heldOut()),
            "text",
            SAMPLES,
            Optional.of(LENGTH),
            0,
            false,
            true);
    var report = Compression.run(request, Progress.NONE, _ -> {});
    try (var artifact = Checkpoints.open(request.artifact())) {
      for (var unit : database.table().units()) {
        long bytes = 0;
        for (var member : unit.members()) {
          var name = database.entry(member, "W4A16").name();
          bytes +=
              report.layers().stream()
                  .filter(layer -> layer.name().equals(name))
                  .findFirst()
                  .orElseThrow()
                  .bytes();
          if (member.block() == 0) {
            assertThat(database.weight(member, "W4A16").decode().values())
                .isEqualTo(artifact.matrix(member).decode().values());
          }
        }
        assertThat(unit.options().get(1).bytes()).isEqualTo(bytes);
      }
    }
  }

  @Test
  void theOriginalIsTheModelsOwn() {
    var address = Address.weight(2, Role.DOWN);
    assertThat(database.weight(address, LevelStore.ORIGINAL).decode().values())
        .isEqualTo(source.matrix(address).decode().values());
    assertThatThrownBy(() -> database.weight(address, "W3A16"))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith(
            "unknown level of model.layers.2.mlp.down_proj 'W3A16'; did you mean 'W2A16'?");
  }
}
