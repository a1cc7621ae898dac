package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.Estimate;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.report.Report;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.block.BlockTypes;
import ai.lathe.torch.GramAccumulator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole job on a mixture of experts, one of which no token is ever routed to. */
class MixtureTest {

  private static final int UNROUTED = UpcycledMixtral.UNROUTED;

  @TempDir static Path models;
  private static Path model;

  @TempDir Path folder;

  @BeforeAll
  static void write() throws IOException {
    model = UpcycledMixtral.write(models.resolve("mixture"), 2);
    var text = Files.readString(model.resolve("heldout.txt"));
    Files.writeString(models.resolve("short.txt"), text.substring(0, 8000));
  }

  @Test
  void expertsAreCalibratedOnTheirOwnTokensAndTheUnroutedOneIsRoundedAndNamed() {
    var gptq = run(integers("gptq"), "gptq");
    var rtn = run(integers("rtn"), "rtn");

    assertThat(kl(gptq)).isLessThan(kl(rtn));
    assertThat(rtn.fallbacks()).isEmpty();
    assertThat(gptq.fallbacks())
        .hasSize(2 * 3)
        .contains(
            "model.layers.1.block_sparse_moe.experts.4.w2: expert 4 of block 1 saw no calibration"
                + " token: rounded to nearest");
    assertThat(gptq.layers())
        .hasSize(2 * (4 + 3 * UpcycledMixtral.EXPERTS))
        .allSatisfy(
            layer -> {
              assertThat(layer.calibrated()).isEqualTo(!layer.name().contains(".experts.4."));
              assertThat(layer.relativeError()).isBetween(0.0, 0.1);
            });
    try (var source = Checkpoints.open(model);
        var calibrated = Checkpoints.open(folder.resolve("gptq"));
        var rounded = Checkpoints.open(folder.resolve("rtn"))) {
      for (var role : new Role[] {Role.EXPERT_GATE, Role.EXPERT_UP, Role.EXPERT_DOWN}) {
        var unrouted = Address.weight(1, UNROUTED, role);
        assertThat(calibrated.matrix(unrouted).decode().values())
            .isEqualTo(rounded.matrix(unrouted).decode().values());
        var routed = Address.weight(1, 0, role);
        assertThat(calibrated.matrix(routed).decode().values())
            .isNotEqualTo(rounded.matrix(routed).decode().values());
      }
      var router = Address.weight(1, Role.ROUTER);
      assertThat(calibrated.matrix(router).encoding()).isInstanceOf(Encoding.Plain.class);
      assertThat(calibrated.matrix(router).decode().values())
          .isEqualTo(source.matrix(router).decode().values());
    }
  }

  @Test
  void ggufKeepsTheExpertsOfABlockInOneTensor() {
    var report = run(Recipe.gguf("gptq", BlockTypes.named("Q4_K"), Map.of()), "m.gguf");

    assertThat(report.fallbacks()).hasSize(2 * 3);
    assertThat(kl(report)).isBetween(0.0, 0.05);
    try (var written = Checkpoints.open(folder.resolve("m.gguf"))) {
      var down = Address.weight(1, 3, Role.EXPERT_DOWN);
      assertThat(written.architecture().name()).isEqualTo("mixtral");
      assertThat(written.name(down)).isEqualTo("blk.1.ffn_down_exps[3]");
      assertThat(written.matrix(down).encoding().label()).isEqualTo("Q4_K");
      assertThat(written.matrix(Address.weight(1, Role.ROUTER)).encoding().label())
          .isEqualTo("F32");
    }
  }

  @Test
  void theRouterIsCompressedOnlyWhereItIsNamed() {
    var named =
        RecipeReader.parse(
            """
            QuantizationModifier:
              targets: ["Linear", "re:.*block_sparse_moe.gate$"]
              scheme: W8A16
            """);
    try (var source = Checkpoints.open(model)) {
      assertThat(router(Planner.plan(source, integers("gptq"), Target.HUGGING_FACE)).level())
          .isEmpty();
      assertThat(router(Planner.plan(source, named, Target.HUGGING_FACE)).level()).isPresent();
    }
  }

  private static Plan.Entry router(Plan plan) {
    return plan.entries().stream()
        .filter(entry -> entry.name().equals("model.layers.1.block_sparse_moe.gate"))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void theEstimateCountsTheInputsOfEveryExpert() {
    try (var source = Checkpoints.open(model)) {
      long rounded = memory(source, "rtn");
      long calibrated = memory(source, "gptq");
      var config = source.config();
      // Attention's two inputs, and two of each expert; what rounding alone needs in their place
      // is less.
      int experts = UpcycledMixtral.EXPERTS;
      long grams =
          (2 + experts) * GramAccumulator.bytes(config.hidden())
              + experts * GramAccumulator.bytes(config.experts().orElseThrow().feedForward());
      assertThat(calibrated - rounded).isBetween(grams / 2, 2 * grams);
    }
  }

  private static long memory(Checkpoint source, String method) {
    var plan = Planner.plan(source, integers(method), Target.HUGGING_FACE);
    return Estimate.of(
            plan, source.architecture(), source.config(), 0, 0, 4096, 100_000, 10_000, 1e11)
        .memory();
  }

  private static Recipe integers(String method) {
    var scheme = new Scheme.Integers(new IntegerScheme(4, 32, true, Activations.NONE));
    return Recipe.uniform(method, scheme, Optional.empty(), Optional.of(ScaleSearch.MSE), Map.of());
  }

  private Report run(Recipe recipe, String name) {
    var request =
        new CompressionRequest(
            model.toString(),
            folder.resolve(name),
            recipe,
            Optional.empty(),
            Optional.of(models.resolve("short.txt")),
            "text",
            24,
            Optional.of(128),
            0,
            false,
            false);
    return Compression.run(request, Progress.NONE, _ -> {});
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }
}
