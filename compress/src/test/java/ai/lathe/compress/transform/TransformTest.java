package ai.lathe.compress.transform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Modifier.Transform;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Transforms of a real model's blocks, before anything is rounded. */
class TransformTest {

  private static final IntegerGrid GRID =
      new IntegerGrid(
          new IntegerScheme(3, 8, true, Activations.NONE), ScaleSearch.MIN_MAX, DType.F16);

  @TempDir static Path folder;

  /** Biases, grouped-query attention, norms of heads, experts, gains of 1 + weight. */
  @ParameterizedTest
  @ValueSource(strings = {"qwen2", "qwen3", "mixtral", "gemma2"})
  void everyKindOfBlockKeepsItsFunction(String name) {
    Assumptions.assumeTrue(Files.exists(SameFunction.golden(name)), "no golden " + name);
    try (var model = Checkpoints.open(SameFunction.golden(name).toString())) {
      for (var transform : List.of(new SmoothQuant(0.5, List.of()), new Awq(3, false, List.of()))) {
        SameFunction.check(model, new Transformed(model, transform(model, transform)));
      }
    }
  }

  @Test
  void smoothQuantLeavesTheFunctionAsItWas() {
    var transform = new SmoothQuant(0.7, List.of());
    try (var model = model()) {
      var blocks = transform(model, transform);
      SameFunction.check(model, new Transformed(model, blocks));
      assertThat(blocks).allSatisfy(block -> assertThat(block.view()).isNotSameAs(model));
    }
  }

  /** Nothing is rounded: a grid is given to search with, and not used. */
  @Test
  void awqScalingLeavesTheFunctionAsItWas() {
    try (var model = model()) {
      var blocks = transform(model, new Awq(4, false, List.of()));
      SameFunction.check(model, new Transformed(model, blocks));
      assertThat(blocks).anySatisfy(block -> assertThat(block.view()).isNotSameAs(model));
    }
  }

  /** A norm's gain that is stored in 16 bits loses some; the weights after it make up for that. */
  @Test
  void aRoundedGainIsMadeUpFor() {
    try (var model = model()) {
      var halves = new HalfVectors(model);
      var blocks = transform(halves, new SmoothQuant(0.5, List.of()));
      assertThat(
              blocks
                  .getFirst()
                  .view()
                  .vector(Address.weight(0, Role.ATTENTION_NORM))
                  .orElseThrow()
                  .dtype())
          .isEqualTo(DType.BF16);
      SameFunction.check(halves, new Transformed(halves, blocks));
    }
  }

  @Test
  void smoothingEvensOutRangesByItsStrength() {
    float[] inputs = {8, 2, 1};
    float[] weights = {0.5f, 2, 1};
    var inputsAlike = SmoothQuant.scales(inputs, weights, 1);
    var weightsAlike = SmoothQuant.scales(inputs, weights, 0);
    var between = SmoothQuant.scales(inputs, weights, 0.5);
    for (int j = 0; j < 3; j++) {
      assertThat(inputs[j] / inputsAlike[j]).isCloseTo(1, within(1e-6f));
      assertThat(weights[j] * weightsAlike[j]).isCloseTo(1, within(1e-6f));
      assertThat(weights[j] * between[j]).isCloseTo(inputs[j] / between[j], within(1e-5f));
    }
  }

  @Test
  void inputsThatNeverChangeStayAndThoseThatNobodyReadsTakeTheirOwnRange() {
    var s = SmoothQuant.scales(new float[] {0, 3}, new float[] {2, 0}, 0.5);
    assertThat(s).containsExactly(1, 3);
  }

  @Test
  void anInfiniteRangeNamesTheLayer() {
    try (var model = model()) {
      int width = model.config().hidden();
      var least = new float[width];
      var greatest = new float[width];
      greatest[3] = Float.POSITIVE_INFINITY;
      var statistics =
          new LayerStatistics(
              1,
              Optional.empty(),
              Optional.empty(),
              Optional.of(new LayerStatistics.Range(least, greatest)),
              Optional.empty(),
              Optional.empty());
      var block =
          new BlockWeights(
              model, 0, Map.of(Site.of(Role.ATTENTION_NORM), statistics), plain(model, 0));
      assertThatThrownBy(() -> new SmoothQuant(0.5, List.of()).apply(block))
          .isInstanceOf(LatheException.class)
          .hasMessage(
              "layer model.layers.0.self_attn.q_proj: input 3 is NaN or infinite on some calibration token");
    }
  }

  @Test
  void settingsThatCannotBeAreRefused() {
    assertRefused(
        "SmoothQuantModifier: {smoothing_strength: 1.2}",
        "between 0 and 1 (0.5 is usual), not 1.2");
    assertRefused(
        "SmoothQuantModifier: {smoothing_strenth: 1}", "did you mean 'smoothing_strength'?");
    assertRefused("SmothQuantModifier: {}", "did you mean 'SmoothQuantModifier'?");
    assertRefused("SmoothQuantModifier: {mappings: [q_proj]}", "are written [[");
    assertRefused("AWQModifier: {n_grid: 0}", "at least 1 (20 is usual), not 0");
    assertRefused(
        "{AWQModifier: {scheme: W4A16}, GPTQModifier: {scheme: W4A16}}", "leave AWQModifier's out");
  }

  @Test
  void mappingsMustKeepTheFunction() {
    var smooth = "SmoothQuantModifier: {mappings: [[[%s], '%s']]}";
    assertRefused(
        smooth.formatted("'re:.*q_proj'", "re:.*input_layernrm"),
        "did you mean 're:.*input_layernorm'?");
    assertRefused(
        smooth.formatted("'re:.*q_prj'", "re:.*input_layernorm"), "did you mean 're:.*q_proj'?");
    assertRefused(
        smooth.formatted("'re:.*q_proj', 're:.*k_proj'", "re:.*input_layernorm"),
        "'re:.*input_layernorm' is read by v_proj too");
    var transform = parsed(smooth.formatted("'re:.*down_proj'", "re:.*up_proj"));
    try (var model = model()) {
      assertThat(transform.requires(model)).containsOnlyKeys(Role.UP);
    }
  }

  private static void assertRefused(String yaml, String message) {
    try (var model = model()) {
      assertThatThrownBy(() -> parsed(yaml).requires(model))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining(message);
    }
  }

  private static BlockTransform parsed(String yaml) {
    return ((Transform) RecipeReader.parse(yaml).modifiers().getFirst()).transform();
  }

  private static Checkpoint model() {
    return Checkpoints.open(
        EmbeddedModel.extract(folder.resolve("embedded")).directory().toString());
  }

  /** All blocks, each calibrated on what the original blocks before it give. */
  private static List<BlockWeights> transform(Checkpoint model, BlockTransform transform) {
    var required = new HashMap<Site, Set<Statistic>>();
    var asked = transform.requires(model);
    for (var address : model.addresses()) {
      address
          .reads(model.architecture())
          .filter(site -> asked.containsKey(site.role()))
          .ifPresent(site -> required.put(site, asked.get(site.role())));
    }
    var blocks = new ArrayList<BlockWeights>();
    try (var states =
            new HiddenStates(
                SameFunction.sequences(model), model.config().hidden(), 512, 1 << 26, folder);
        var task = Progress.NONE.start("calibrating", 1)) {
      Layerwise.embed(model, states);
      for (int n = 0; n < model.config().blocks(); n++) {
        try (var block = TorchBlock.load(model, n)) {
          var weights =
              new BlockWeights(
                  model,
                  n,
                  BlockCalibration.collect(block, states, required, task),
                  plain(model, n));
          assertThat(transform.apply(weights)).isNotEmpty();
          blocks.add(weights);
          Layerwise.advance(block, states, task);
        }
      }
    }
    return blocks;
  }

  private static Map<Address, Treatment> plain(Checkpoint model, int block) {
    var treatments = new HashMap<Address, Treatment>();
    for (var address : model.addresses()) {
      if (address.block() == block && !address.isVector(model.architecture())) {
        treatments.put(
            address,
            new Treatment(new Encoding.Plain(DType.F32), Optional.empty(), Optional.of(GRID)));
      }
    }
    return treatments;
  }

  /** A model whose vectors are stored in bfloat16. */
  private static final class HalfVectors extends CheckpointView {
    HalfVectors(Checkpoint source) {
      super(source);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return source.vector(address).map(vector -> vector.to(DType.BF16, Arena.ofAuto()));
    }
  }

  /** A model with all its blocks transformed. */
  private static final class Transformed extends CheckpointView {
    private final List<Checkpoint> blocks;

    Transformed(Checkpoint source, List<BlockWeights> blocks) {
      super(source);
      this.blocks = blocks.stream().map(BlockWeights::view).toList();
    }

    private Checkpoint of(Address address) {
      return address.block() < 0 ? source : blocks.get(address.block());
    }

    @Override
    public LinearWeight matrix(Address address) {
      return of(address).matrix(address);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return of(address).vector(address);
    }
  }
}
