package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.calibration.BlockCalibration;
import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.factorization.Monarch;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.Rocket;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.OutputError;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.format.compressed.Selector;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.TorchBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that are sums and products, from the recipe to the artifact that is opened again. */
class FactoredTest {

  @TempDir static Path folder;
  private static final Recipe WHITENED =
      Recipe.factorization("svd-llm", new Removal(0.3), Map.of());
  private static EmbeddedModel embedded;
  private static Path model;
  private static Report whitened;

  @BeforeAll
  static void extract() {
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    model = embedded.directory();
    whitened = run("svd-llm", WHITENED);
  }

  private static Report run(String name, Recipe recipe) {
    var usual = CompressionRequest.of(model.toString(), folder.resolve(name), recipe);
    var request =
        new CompressionRequest(
            usual.model(),
            usual.artifact(),
            recipe,
            Optional.empty(),
            Optional.empty(),
            "text",
            16,
            Optional.of(64),
            0,
            false,
            false);
    return Compression.run(request, Progress.NONE, _ -> {});
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }

  private static double kl(Checkpoint model, Checkpoint original, List<int[]> texts) {
    var measured = Measurement.of(Executor.TORCH, model, original, texts, Progress.NONE);
    return ((Measurement.Language) measured).kl();
  }

  private static String query(String name) {
    try (var artifact = Checkpoints.open(folder.resolve(name))) {
      return artifact.matrix(Address.weight(0, Role.QUERY)).encoding().label();
    }
  }

  private static Recipe pruning(String method, Map<String, Object> settings) {
    var pattern = new Pattern.SemiStructured(2, 4);
    return Recipe.pruning(method, new Sparsity(0.5, pattern), settings);
  }

  @Test
  void whatIsPutBesideCodesBringsTheModelNearer() {
    var base = Recipe.preset("rtn", "W2A16", Optional.of(32));
    var alone = run("alone", base);
    var eora = run("eora", base.then(Recipe.compensation(Method.EORA, 8, Optional.empty())));
    assertThat(kl(eora)).isLessThan(kl(alone));
    assertThat(query("eora")).isEqualTo("int2 g32 + rank 8 BF16");
    for (int i = 0; i < alone.layers().size(); i++) {
      var plain = alone.layers().get(i);
      var beside = eora.layers().get(i);
      if (!plain.encoding().equals(beside.encoding())) {
        long factors = 2L * 8 * (plain.rows() + plain.columns());
        assertThat(beside.bytes()).isEqualTo(plain.bytes() + factors);
      }
    }
  }

  @Test
  void pruningMethodsWithFactorsAreStoredAndReadBack() {
    var w4 = Recipe.preset("rtn", "W4A16", Optional.of(32));
    var wanda = run("wanda", pruning("wanda", Map.of()).then(w4));
    var slim = run("slim", pruning("slim", Map.of("adapter_bits", 4)).then(w4));
    assertThat(kl(slim)).isLessThan(kl(wanda));
    assertThat(query("slim")).startsWith("2:4 int4 channel + int4 ");
    var armor = run("armor", pruning("armor", Map.of("iterations", 30, "learning_rate", 1e-3)));
    assertThat(kl(armor)).isLessThan(kl(wanda));
    assertThat(query("armor")).contains(" * 2:4 BF16 * diagonal ");
    assertThatThrownBy(() -> run("armor.gguf", pruning("armor", Map.of())))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith("a GGUF file has no place for diagonal ")
        .hasMessageEndingWith("name a directory, which stores sums and products of matrices");
  }

  @Test
  void aModelOfLowRankIsStoredAsFactorsAndMultipliedOutForGguf() {
    assertThat(query("svd-llm")).startsWith("rank ");
    for (var layer : whitened.layers()) {
      assertThat(layer.bytes())
          .isLessThanOrEqualTo((long) (2 * 0.7 * layer.rows() * layer.columns()));
    }
    var eight = run("codes", WHITENED.then(Recipe.preset("rtn", "W8A16", Optional.of(32))));
    assertThat(kl(eight)).isLessThan(1.5 * kl(whitened));
    assertThat(query("codes")).startsWith("int8 g").endsWith("* int8 g32");
    var gguf = run("svd-llm.gguf", WHITENED);
    assertThat(kl(gguf)).isCloseTo(kl(whitened), within(0.01 * kl(whitened)));
    assertThat(gguf.notes())
        .contains(
            "gguf has no place for products of matrices: they are multiplied out, which saves no bytes");
  }

  @Test
  void dictionariesAreStoredWithThePositionsOfTheirCoefficientsAndReadBack() {
    var removed = new Removal(0.3);
    var recipe = Recipe.factorization("rocket", removed, Map.of());
    var rocket = run("rocket", recipe);
    assertThat(kl(rocket)).isLessThan(kl(whitened));
    assertThat(query("rocket")).endsWith(" sparse BF16 * BF16");
    var config = new Rocket().config(removed, Factors.plain(DType.BF16), Map.of());
    for (var layer : rocket.layers()) {
      var encoding = new Rocket().encoding(config, layer.rows(), layer.columns());
      // Beside what the encoding counts, the format has the shape and an offset for each row.
      assertThat(layer.bytes())
          .isEqualTo(encoding.bytes(layer.rows(), layer.columns()) + 16 + 8L * layer.rows());
    }
    var codes = run("rocket-8", recipe.then(Recipe.preset("rtn", "W8A16", Optional.of(16))));
    assertThat(kl(codes)).isLessThan(1.5 * kl(rocket));
    assertThat(query("rocket-8")).contains(" sparse int8 g16 * int8 g16");
  }

  @Test
  void biasesThatKeepTheMeanAreDeclaredWrittenAndReadBack() throws IOException {
    var recipe = Recipe.factorization("lord", new Removal(0.3), Map.of());
    var lord = run("lord", recipe);
    var address = Address.weight(0, Role.QUERY);
    try (var artifact = Checkpoints.open(folder.resolve("lord"));
        var original = Checkpoints.open(model)) {
      assertThat(original.vector(address.bias())).isEmpty();
      for (var role : List.of(Role.QUERY, Role.VALUE, Role.ATTENTION_OUTPUT, Role.DOWN)) {
        var bias = artifact.vector(Address.weight(1, role).bias()).orElseThrow();
        assertThat(bias.toFloats())
            .doesNotContain(Float.NaN)
            .isNotEqualTo(new float[bias.toFloats().length]);
      }
      var text = Files.readString(embedded.heldOut()).substring(0, 4000);
      var tokens = original.tokenizer().orElseThrow().encode(text);
      var texts =
          IntStream.range(0, tokens.length / 64)
              .mapToObj(i -> Arrays.copyOfRange(tokens, 64 * i, 64 * (i + 1)))
              .toList();
      biasesLeaveLessOfEveryLayersOutputs(original, artifact, texts);
      // Of the values alone, where nothing else is lost that could make up for it.
      double with = kl(new Values(original, artifact, true), original, texts);
      double without = kl(new Values(original, artifact, false), original, texts);
      assertThat(with).isLessThan(0.9 * without);
    }
    // Parameters of the bias are saved elsewhere.
    for (var layer : lord.layers()) {
      long halves = (long) (0.7 * layer.rows() * layer.columns()) - layer.rows();
      assertThat(layer.bytes()).isLessThanOrEqualTo(2 * halves);
    }
    var gguf = run("lord.gguf", recipe);
    assertThat(gguf.fallbacks().getFirst())
        .contains("gguf has no place for a bias of ")
        .endsWith("inputs are taken with their mean, as svd-llm does");
    assertThat(kl(gguf)).isCloseTo(kl(whitened), within(0.01 * kl(whitened)));
    // Targets are parts of the attention alone: its other linears have biases of zero.
    var targets = List.of(Selector.of("re:.*q_proj", "test"));
    var step = new Modifier.Factorization("lord", new Removal(0.3), targets, List.of(), Map.of());
    run("query", new Recipe(List.of(step)));
    try (var artifact = Checkpoints.open(folder.resolve("query"))) {
      var value = artifact.vector(Address.weight(0, Role.VALUE).bias()).orElseThrow();
      assertThat(value.toFloats()).containsOnly(0);
      assertThat(artifact.vector(Address.weight(0, Role.DOWN).bias())).isEmpty();
    }
  }

  /**
   * {@code ||(W - W') X - b 1^T||^2} on inputs that calibration did not see, those of the
   * artifact's blocks before, is less with {@code b} than without.
   */
  private static void biasesLeaveLessOfEveryLayersOutputs(
      Checkpoint original, Checkpoint artifact, List<int[]> texts) {
    var statistics = Set.of(Statistic.GRAM, Statistic.INPUT_MEAN);
    var architecture = original.architecture();
    int width = original.config().hidden();
    int layers = 0;
    try (var states = new HiddenStates(texts, width, 1 << 20, 1 << 30, folder)) {
      Layerwise.embed(artifact, states);
      for (int block = 0; block < original.config().blocks(); block++) {
        var required = new HashMap<Site, Set<Statistic>>();
        var linears = new ArrayList<Address>();
        for (var address : original.addresses()) {
          if (address.block() == block && !address.isVector(architecture)) {
            linears.add(address);
            required.put(address.reads(architecture).orElseThrow(), statistics);
          }
        }
        Map<Site, LayerStatistics> seen;
        try (var torch = TorchBlock.load(original, block)) {
          seen = BlockCalibration.collect(torch, states, required, Progress.Task.SILENT);
        }
        for (var address : linears) {
          var inputs = seen.get(address.reads(architecture).orElseThrow());
          var change = original.matrix(address).decode().copy();
          var written = artifact.matrix(address).decode();
          for (int i = 0; i < change.values().length; i++) {
            change.values()[i] -= written.values()[i];
          }
          var bias = artifact.vector(address.bias()).orElseThrow().toFloats();
          double without = OutputError.energy(change, inputs.gram().orElseThrow());
          double fewer = 0;
          for (int i = 0; i < bias.length; i++) {
            double mean = 0;
            for (int j = 0; j < change.columns(); j++) {
              mean += (double) change.at(i, j) * inputs.mean().orElseThrow()[j];
            }
            fewer += inputs.tokens() * (2 * mean - bias[i]) * bias[i];
          }
          assertThat(fewer).as(address.toString()).isBetween(0.001 * without, without);
          layers++;
        }
        try (var torch = TorchBlock.load(artifact, block)) {
          Layerwise.advance(torch, states, Progress.Task.SILENT);
        }
      }
    }
    assertThat(layers).isEqualTo(7 * original.config().blocks());
  }

  /** A model with the values' weights of an artifact, and their biases or none. */
  private static final class Values extends CheckpointView {
    private final Checkpoint artifact;
    private final boolean biases;

    Values(Checkpoint original, Checkpoint artifact, boolean biases) {
      super(original);
      this.artifact = artifact;
      this.biases = biases;
    }

    @Override
    public LinearWeight matrix(Address address) {
      return address.role() == Role.VALUE ? artifact.matrix(address) : source.matrix(address);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return address.role() == Role.VALUE && biases
          ? artifact.vector(address)
          : source.vector(address);
    }
  }

  @Test
  void blocksAlongAnIndexAreStoredAndReadBack() {
    var method = new Monarch();
    var plain = Map.<String, Object>of("metric", "plain");
    var report = run("monarch", Recipe.factorization("monarch", new Removal(0.3), plain));
    var config = method.config(new Removal(0.3), Factors.plain(DType.BF16), plain);
    for (var layer : report.layers()) {
      assertThat(layer.bytes())
          .isEqualTo(
              method
                  .encoding(config, layer.rows(), layer.columns())
                  .bytes(layer.rows(), layer.columns()));
    }
    var address = Address.weight(0, Role.QUERY);
    try (var original = Checkpoints.open(model);
        var artifact = Checkpoints.open(folder.resolve("monarch"))) {
      var layer = new Layer("query", original.matrix(address).decode());
      var solved = method.solve(layer, LayerStatistics.NONE, List.of(config)).getFirst();
      assertThat(artifact.matrix(address).encoding()).isEqualTo(solved.weight().encoding());
      assertThat(artifact.matrix(address).decode().values())
          .isEqualTo(solved.weight().decode().values());
    }
    assertThat(kl(report)).isPositive();
  }

  /** The output's blocks are fitted to the outputs, without which even numbers lose more. */
  @Test
  void blocksInCodesAreStoredAndReadBack() {
    var recipe = Recipe.factorization("monarch", new Removal(0.3), Map.of());
    var projected =
        run("monarch-16", Recipe.factorization("monarch", new Removal(0.3), Map.of("fit", false)));
    var eight = run("monarch-8", recipe.then(Recipe.preset("rtn", "W8A16", Optional.of(32))));
    assertThat(query("monarch-8")).startsWith("mode 1x4 int8 ").endsWith(" * mode 4x1 int8 g32");
    assertThat(kl(eight)).isLessThan(kl(projected));
    var factors =
        new Factors(DType.BF16, Optional.of(new IntegerScheme(8, 32, true, Activations.NONE)));
    var config = new Monarch().config(new Removal(0.3), factors, Map.of());
    for (var layer : eight.layers()) {
      var encoding = new Monarch().encoding(config, layer.rows(), layer.columns());
      // Beside what the encoding counts, the format has the shape of both.
      assertThat(layer.bytes()).isEqualTo(encoding.bytes(layer.rows(), layer.columns()) + 32);
    }
  }
}
