package ai.lathe.compress.pruning.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.linalg.Cut;
import ai.lathe.torch.Torch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Some matrices of the model that comes with Lathe. */
class ModelPrunerTest {

  private static final int GRADIENTS = 16;
  private static final long PLENTY = 1L << 40;
  private static final double FLOPS = 1e11;
  private static final Set<Role> SMALL = Set.of(Role.KEY, Role.VALUE);

  @TempDir static Path models;
  private static EmbeddedModel embedded;
  private static Checkpoint model;
  private static List<int[]> sequences;
  private static List<int[]> heldOut;

  @TempDir Path folder;
  private final List<String> messages = new ArrayList<>();

  @BeforeAll
  static void open() {
    // Small products gain nothing from threads, and lose much where the machine is busy.
    Torch.threads(1);
    embedded = EmbeddedModel.extract(models.resolve("embedded"));
    model = Checkpoints.open(embedded.directory());
    var tokenizer = model.tokenizer().orElseThrow();
    var calibration = TextData.open(embedded.calibration(), "text");
    sequences = Windows.calibration(calibration, tokenizer, 48, 64, 1).tokens();
    var evaluation = TextData.open(embedded.heldOut(), "text");
    heldOut = Windows.evaluation(evaluation, tokenizer, 64).tokens().subList(0, 12);
  }

  @AfterAll
  static void close() {
    model.close();
  }

  private static boolean small(Address address) {
    return address.block() < 2 && SMALL.contains(address.role());
  }

  private static GlobalMethod method(String name, Sparsity sparsity, int gradients) {
    return GlobalMethods.named(name, sparsity, Map.of("num_grads", gradients));
  }

  private PrunedCheckpoint prune(
      Checkpoint source, GlobalMethod method, Predicate<Address> matrices, long memory) {
    return ModelPruner.prune(
        source,
        new ModelPruner.Request(
            method, matrices, sequences, 1, memory, FLOPS, folder.resolve("w.safetensors"), false),
        Progress.NONE,
        messages::add);
  }

  private PrunedCheckpoint prune(GlobalMethod method) {
    return prune(model, method, ModelPrunerTest::small, PLENTY);
  }

  private static long zeros(Checkpoint pruned) {
    long zeros = 0;
    for (var address : model.addresses()) {
      if (address.block() != Address.OUTSIDE && small(address)) {
        assertThat(pruned.matrix(address)).isInstanceOf(Sparse.class);
        for (float value : pruned.matrix(address).decode().values()) {
          zeros += value == 0 ? 1 : 0;
        }
      }
    }
    return zeros;
  }

  /** Keys and values of two blocks. */
  private static final long TOTAL = 4L * 128 * 256;

  @ParameterizedTest
  @CsvSource({
    "obert, unstructured, 0.5",
    "obert, 1x4, 0.61",
    "cap, unstructured, 0.37",
    "cap, 2:4, 0.5",
    "fastcap, unstructured, 0.7",
    "mfac, unstructured, 0.9"
  })
  void asManyWeightsAreZeroAsAreAskedFor(String name, String pattern, double share) {
    var sparsity = new Sparsity(share, Pattern.parse(pattern));
    var settings = Map.of("num_grads", 6, "batch_size", 2);
    try (var pruned = prune(GlobalMethods.named(name, sparsity, settings(name, settings)))) {
      int unit = sparsity.pattern() instanceof Pattern.Blocks(_, int wide) ? wide : 1;
      // FastCAP's matrices choose each by themselves.
      long parts = name.equals("fastcap") ? 4 : 1;
      long expected = Math.round(TOTAL / parts / unit * share) * unit * parts;
      assertThat(zeros(pruned)).isEqualTo(expected);
      assertThat(pruned.pruned()).hasSize(4);
      var key = Address.weight(0, Role.KEY);
      assertThat(((Sparse) pruned.matrix(key)).mask().follows(sparsity.pattern())).isTrue();
      var other = Address.weight(0, Role.QUERY);
      assertThat(pruned.matrix(other).decode().values())
          .containsExactly(model.matrix(other).decode().values());
    }
  }

  private static Map<String, Object> settings(String name, Map<String, Integer> given) {
    var settings = new java.util.TreeMap<String, Object>(given);
    if (name.equals("mfac")) {
      settings.put("num_recomputations", 2);
    }
    return settings;
  }

  @Test
  void groupsOfMatricesGiveTheWeightsOfAllAtOnce() {
    var method = method("obert", new Sparsity(0.5, Pattern.UNSTRUCTURED), 8);
    long[] weights = {128 * 256, 128 * 256, 128 * 256, 128 * 256};
    var names = List.of("a", "b", "c", "d");
    var batches = ModelPruner.batches(sequences, method.gathering());
    var whole = PruningEstimate.of(model, method, weights, names, batches, 1, PLENTY, FLOPS);
    assertThat(whole.groups()).hasSize(1);
    long two = whole.memory() - method.bytes(weights[0]);
    try (var all = prune(model, method, ModelPrunerTest::small, PLENTY)) {
      var values = new ArrayList<float[]>();
      all.pruned().forEach(address -> values.add(all.matrix(address).decode().values()));
      messages.clear();
      try (var parts = prune(model, method, ModelPrunerTest::small, two)) {
        assertThat(messages).anyMatch(line -> line.contains("matrices in 2 groups"));
        for (int i = 0; i < values.size(); i++) {
          assertThat(parts.matrix(parts.pruned().get(i)).decode().values())
              .containsExactly(values.get(i));
        }
      }
    }
  }

  @Test
  void whatDoesNotFitIsRefusedWithTheBlockThatWould() {
    var method = method("obert", new Sparsity(0.5, Pattern.UNSTRUCTURED), 8);
    long[] one = {128 * 256};
    var batches = ModelPruner.batches(sequences, method.gathering());
    var names = List.of("a");
    long all = PruningEstimate.of(model, method, one, names, batches, 1, PLENTY, FLOPS).memory();
    long room = all - method.bytes(one[0]) / 2;
    assertThatThrownBy(() -> PruningEstimate.of(model, method, one, names, batches, 1, room, FLOPS))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("obert does not fit: a needs")
        .hasMessageContaining("fisher_block_size 24 fits");
  }

  @Test
  void tooLittleTextForSoManyGradientsIsRefused() {
    assertThatThrownBy(() -> prune(method("cap", new Sparsity(0.5, Pattern.UNSTRUCTURED), 1000)))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("num_grads 1000 in mini-batches of 1 takes 1000 sequences")
        .hasMessageContaining("there are 48");
  }

  /** What does not reach the output has no gradient. */
  @Test
  void gradientsThatAreAllZeroAreRefused() {
    var output = Address.weight(0, Role.ATTENTION_OUTPUT);
    var severed =
        new CheckpointView(model) {
          @Override
          public LinearWeight matrix(Address address) {
            var weight = source.matrix(address);
            return address.equals(output)
                ? Dense.of(Matrix.zeros(weight.rows(), weight.columns()))
                : weight;
          }
        };
    var method = method("obert", new Sparsity(0.5, Pattern.UNSTRUCTURED), 4);
    assertThatThrownBy(
            () ->
                prune(
                    severed,
                    method,
                    address -> address.block() == 0 && address.role() == Role.VALUE,
                    PLENTY))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("all gradients are zero");
  }

  @Test
  void zerosThatAreThereStayAndCount() {
    var method = method("obert", new Sparsity(0.5, Pattern.UNSTRUCTURED), 4);
    try (var half = prune(method)) {
      var again = folder.resolve("again.safetensors");
      var more = method("cap", new Sparsity(0.75, Pattern.UNSTRUCTURED), 4);
      var request =
          new ModelPruner.Request(
              more, ModelPrunerTest::small, sequences, 1, PLENTY, FLOPS, again, false);
      try (var sparser = ModelPruner.prune(half, request, Progress.NONE, messages::add)) {
        assertThat(zeros(sparser)).isEqualTo(TOTAL / 4 * 3);
        var key = Address.weight(1, Role.KEY);
        var before = half.matrix(key).decode().values();
        var after = sparser.matrix(key).decode().values();
        for (int i = 0; i < before.length; i++) {
          assertThat(before[i] != 0 || after[i] == 0).isTrue();
        }
      }
      assertThat(messages)
          .anyMatch(line -> line.contains("50.0 % of the weights are zero already"));
    }
  }

  @Test
  void anEarlierRunsWeightsAreUsedAgainIfNothingHasChanged() {
    var method = method("obert", new Sparsity(0.5, Pattern.UNSTRUCTURED), 4);
    prune(method).close();
    var file = folder.resolve("w.safetensors");
    var request =
        new ModelPruner.Request(
            method, ModelPrunerTest::small, sequences, 1, PLENTY, FLOPS, file, true);
    ModelPruner.prune(model, request, Progress.NONE, messages::add).close();
    assertThat(messages.getLast()).contains("is used as an earlier run left it");
    var other = method("obert", new Sparsity(0.6, Pattern.UNSTRUCTURED), 4);
    var changed =
        new ModelPruner.Request(
            other, ModelPrunerTest::small, sequences, 1, PLENTY, FLOPS, file, true);
    ModelPruner.prune(model, changed, Progress.NONE, messages::add).close();
    assertThat(messages.getLast()).contains("estimate of obert");
  }

  /** The same gradients, the same sparsity, text that neither has seen. */
  @Test
  void capIsBetterThanOBertWhichIsBetterThanMagnitude() {
    Predicate<Address> block = address -> address.block() == 1;
    var sparsity = new Sparsity(0.7, Pattern.UNSTRUCTURED);
    double magnitude = kl(magnitude(block, 0.7));
    try (var obert = prune(model, method("obert", sparsity, GRADIENTS), block, PLENTY)) {
      double second = kl(obert);
      assertThat(second).isLessThan(magnitude);
      obert.close();
      try (var cap = prune(model, method("cap", sparsity, GRADIENTS), block, PLENTY)) {
        assertThat(kl(cap)).isLessThanOrEqualTo(second);
      }
    }
  }

  private static double kl(Checkpoint changed) {
    var measured = Measurement.of(Executor.TORCH, changed, model, heldOut, Progress.NONE);
    return ((Measurement.Language) measured).kl();
  }

  private static Checkpoint magnitude(Predicate<Address> matrices, double share) {
    var chosen =
        model.addresses().stream()
            .filter(address -> PruningEstimate.prunable(model, address))
            .filter(matrices)
            .toList();
    var cut =
        Cut.of(
            Math.round(share * chosen.stream().mapToLong(a -> absolute(a).length).sum()),
            counter ->
                chosen.forEach(
                    address -> counter.count(absolute(address), 0, absolute(address).length)));
    return new CheckpointView(model) {
      @Override
      public LinearWeight matrix(Address address) {
        var weight = source.matrix(address);
        if (!chosen.contains(address)) {
          return weight;
        }
        var values = weight.decode().values().clone();
        for (int i = 0; i < values.length; i++) {
          values[i] = Math.abs(values[i]) <= cut.threshold() ? 0 : values[i];
        }
        return Dense.of(new Matrix(weight.rows(), weight.columns(), values));
      }
    };
  }

  private static float[] absolute(Address address) {
    var values = model.matrix(address).decode().values().clone();
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.abs(values[i]);
    }
    return values;
  }

  @Test
  void aRecipePrunesThenRoundsAndLeavesNothingBehind() throws IOException {
    var recipe =
        RecipeReader.parse(
            """
            pruning_stage:
              pruning_modifiers:
                OBSPruningModifier:
                  final_sparsity: 0.5
                  mask_type: unstructured
                  num_grads: 8
                  damp: 1.0e-5
                  fisher_block_size: 32
                  targets: ['re:.*layers[.][01][.].*[kv]_proj']
            """);
    var artifact = folder.resolve("sparse");
    var report =
        Compression.run(
            new CompressionRequest(
                embedded.directory().toString(),
                artifact,
                recipe,
                Optional.of(embedded.calibration()),
                Optional.of(embedded.heldOut()),
                "text",
                8,
                Optional.of(64),
                1,
                false,
                false),
            Progress.NONE,
            messages::add);
    assertThat(messages).anyMatch(line -> line.contains("estimate of obert"));
    assertThat(((Measurement.Language) report.quality()).kl()).isPositive().isLessThan(0.5);
    try (var written = Checkpoints.open(artifact)) {
      assertThat(zeros(written)).isEqualTo(TOTAL / 2);
    }
    try (var files = Files.list(folder)) {
      assertThat(files.map(file -> file.getFileName().toString())).containsExactly("sparse");
    }
  }
}
