package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.compress.layer.BlockSolver.Part;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.quantization.Gsq.Config;
import ai.lathe.compress.training.EmbeddedBlock;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.GroupQuantized;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole blocks of the model that comes with Lathe. */
class GsqBlockTest {

  /** Of each stage something; the other layers stay as they are. */
  private static final Set<Role> TRAINED =
      Set.of(Role.KEY, Role.VALUE, Role.ATTENTION_OUTPUT, Role.DOWN);

  @TempDir static Path folder;
  private static EmbeddedBlock block;

  @BeforeAll
  static void calibrate() throws IOException {
    block = new EmbeddedBlock(folder, TRAINED);
  }

  @AfterAll
  static void close() {
    block.close();
  }

  @Test
  void theBlockGivesOutWhatTheOriginalDoesBetterThanWithGptq() {
    var config = Map.of("steps", 60, "layer_steps", 20, "batch_tokens", 512);
    var trained = solve(config);
    var start = new LinkedHashMap<Address, Solution>();
    for (var part : parts(config)) {
      start.put(part.address(), Gsq.start(part.layer(), part.statistics(), part.config()));
    }
    assertThat(trained.keySet()).containsExactlyInAnyOrderElementsOf(block.matrices());
    assertThat(block.error(trained)).isLessThan(0.98 * block.error(start));
    var down = trained.get(Address.weight(0, Role.DOWN));
    assertThat(down.fallbacks()).isEmpty();
  }

  @Test
  void theStartIsKeptWhereTrainingDoesHarm() {
    var config = Map.of("steps", 2, "layer_steps", 2, "learning_rate", 50);
    var solutions = solve(config);
    for (var part : parts(config)) {
      var start = Gsq.start(part.layer(), part.statistics(), part.config()).weight();
      var solution = solutions.get(part.address());
      assertThat(((GroupQuantized) solution.weight()).codes())
          .isEqualTo(((GroupQuantized) start).codes());
      assertThat(solution.fallbacks()).singleElement().asString().startsWith("GSQ did not improve");
    }
  }

  @Test
  void theObjectiveMayBeEachLayersOwn() {
    var config = Map.of("objective", "layer", "layer_steps", 5);
    var solutions = solve(config);
    for (var part : parts(config)) {
      var alone = Gsq.onLayer(part.layer(), part.statistics(), part.config()).weight();
      assertThat(((GroupQuantized) solutions.get(part.address()).weight()).codes())
          .isEqualTo(((GroupQuantized) alone).codes());
    }
  }

  private static Config config(Map<String, ?> settings) {
    return new Gsq().config(Problems.grid(2, 32, true, ScaleSearch.MSE), settings);
  }

  private static List<Part<Config>> parts(Map<String, ?> settings) {
    return block.parts(config(settings));
  }

  private static Map<Address, Solution> solve(Map<String, ?> settings) {
    return block.solve(new Gsq(), config(settings));
  }
}
