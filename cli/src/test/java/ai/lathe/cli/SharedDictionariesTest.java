package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.dictionary.SharedDictionaries;
import ai.lathe.compress.factorization.Parameters;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.report.Report;
import ai.lathe.format.compressed.Selector;
import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.model.Address;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.LanguageModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.KvCache;
import ai.lathe.runtime.execution.RuntimeModel;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.TorchModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Dictionaries that two blocks share, from the recipe to the artifact that runs. */
class SharedDictionariesTest {

  private static final Removal REMOVED = new Removal(0.3);
  private static final Map<String, Object> TWO = Map.of("group", 2, "iterations", 1);
  private static final List<Role> ROLES = List.of(Role.QUERY, Role.DOWN);
  private static final Recipe PAIRS =
      new Recipe(
          List.of(
              new Factorization(
                  "cospadi",
                  REMOVED,
                  List.of(Selector.of("re:.*(q_proj|down_proj)", "test")),
                  List.of(),
                  TWO)));

  @TempDir static Path folder;
  private static Path model;
  private static Report report;

  @BeforeAll
  static void compress() {
    model = EmbeddedModel.extract(folder.resolve("embedded")).directory();
    report = run("pairs", PAIRS, false, Progress.NONE);
  }

  private static Report run(String name, Recipe recipe, boolean resume, Progress progress) {
    var request =
        new CompressionRequest(
            model.toString(),
            folder.resolve(name),
            recipe,
            Optional.empty(),
            Optional.empty(),
            "text",
            16,
            Optional.of(64),
            0,
            resume,
            false);
    return Compression.run(request, progress, _ -> {});
  }

  @Test
  void theFirstLayerStoresItAndEveryByteIsPlanned() {
    var bytes = new HashMap<String, Long>();
    try (var file = SafetensorsFile.open(folder.resolve("pairs/model.safetensors"))) {
      for (var name : file.names()) {
        for (var layer : report.layers()) {
          if (name.startsWith(layer.name() + ".")) {
            bytes.merge(layer.name(), file.info(name).bytes(), Long::sum);
          }
        }
      }
    }
    try (var written = Checkpoints.open(folder.resolve("pairs").toString());
        var source = Checkpoints.open(model.toString())) {
      for (var layer : Planner.plan(source, PAIRS, Target.HUGGING_FACE).entries()) {
        if (layer.level().isPresent()) {
          var found = written.matrix(layer.address());
          assertThat(found.encoding()).isEqualTo(layer.encoding());
          assertThat(Target.HUGGING_FACE.bytes(layer.encoding(), layer.rows(), layer.columns()))
              .isEqualTo(bytes.get(layer.name()));
        }
      }
      int blocks = source.config().blocks();
      for (int block = 0; block < blocks; block++) {
        boolean shares = block % 2 == 1;
        for (var role : ROLES) {
          var weight = (Product) written.matrix(block, role);
          var encoding = weight.encoding();
          assertThat(encoding.shares()).isEqualTo(shares);
          if (shares) {
            var owner = (Product) written.matrix(block - 1, role);
            assertThat(weight.owner()).contains(written.name(Address.weight(block - 1, role)));
            assertThat(weight.factors().getLast().decode().values())
                .isEqualTo(owner.factors().getLast().decode().values());
            long both =
                Parameters.of(encoding, weight.rows(), weight.columns())
                    + Parameters.of(owner.encoding(), owner.rows(), owner.columns());
            long most = REMOVED.left(2 * weight.rows(), weight.columns());
            assertThat(both).isBetween(most - 4L * weight.rows() - weight.columns(), most);
          }
        }
      }
      // What refers to another layer is not kept where that one may change.
      for (var entry : Planner.original(written, Target.HUGGING_FACE).entries()) {
        boolean shares =
            written.matrix(entry.address()).encoding() instanceof Encoding.Product product
                && product.shares();
        assertThat(entry.encoding() instanceof Encoding.Plain)
            .isEqualTo(shares || !ROLES.contains(entry.address().role()));
      }
    }
    assertThat(SharedDictionaries.directoryFor(folder.resolve("pairs"))).doesNotExist();
  }

  @Test
  void codesAreReadBackAndGgufMultipliesOut() {
    var codes = new IntegerScheme(4, 16, true, Activations.NONE);
    var scheme =
        Recipe.uniform(
            "rtn", new Scheme.Integers(codes), Optional.empty(), Optional.empty(), Map.of());
    assertThat(run("coded", PAIRS.then(scheme), false, Progress.NONE).notes())
        .contains("what several layers share is rounded to nearest");
    var out = run("pairs.gguf", PAIRS, false, Progress.NONE);
    assertThat(out.notes()).anyMatch(note -> note.contains("multiplied out"));
    try (var source = Checkpoints.open(model.toString());
        var pairs = Checkpoints.open(folder.resolve("pairs").toString());
        var coded = Checkpoints.open(folder.resolve("coded").toString());
        var gguf = Checkpoints.open(folder.resolve("pairs.gguf").toString())) {
      var first = pairs.matrix(0, Role.QUERY).decode();
      assertThat(distance(gguf.matrix(0, Role.QUERY).decode(), first)).isLessThan(3e-3);
      for (var role : ROLES) {
        var exact = pairs.matrix(1, role).decode();
        var weight = (Product) coded.matrix(1, role);
        assertThat(weight.encoding().shares()).isTrue();
        assertThat(weight.factors().getLast().encoding()).isInstanceOf(Encoding.Grouped.class);
        assertThat(weight.factors().getLast().decode().values())
            .isEqualTo(((Product) coded.matrix(0, role)).factors().getLast().decode().values());
        assertThat(distance(weight.decode(), exact)).isBetween(0.01, 0.3);
        // Inputs differ by how block 0 is rounded, and with them the choice of a few atoms.
        var original = source.matrix(1, role).decode();
        double asPairs = distance(exact, original);
        assertThat(asPairs).isBetween(0.01, 0.9);
        assertThat(distance(gguf.matrix(1, role).decode(), original))
            .isCloseTo(asPairs, withinPercentage(2));
      }
    }
  }

  /** Relative. */
  private static double distance(Matrix found, Matrix expected) {
    double rest = 0;
    double energy = 0;
    for (int i = 0; i < expected.values().length; i++) {
      rest += Math.pow(found.values()[i] - expected.values()[i], 2);
      energy += Math.pow(expected.values()[i], 2);
    }
    return Math.sqrt(rest / energy);
  }

  private static float[] logits(LanguageModel model) {
    var text = IntStream.range(0, 48).map(i -> 3 + 7 * i % 200).toArray();
    var all = new float[text.length * model.vocabularySize()];
    try (var logits = model.forward(text)) {
      logits.rows(0, text.length, all);
    }
    return all;
  }

  @Test
  void bothExecutorsGiveTheSameLogits() {
    try (var written = Checkpoints.open(folder.resolve("pairs").toString());
        var workers = new Workers(2);
        var torch = TorchModel.of(written);
        var runtime =
            new RuntimeModel(
                Decoder.load(
                    written,
                    new VectorProvider(),
                    workers,
                    64,
                    KvCache.Settings.DEFAULT.of(DType.F32),
                    Progress.NONE))) {
      var expected = logits(torch);
      var found = logits(runtime);
      for (int i = 0; i < expected.length; i++) {
        assertThat(found[i]).isCloseTo(expected[i], within(1e-3f));
      }
    }
  }

  @Test
  void aRunThatWasKilledGoesOnToTheSameBytes() {
    Progress killed =
        (what, _) ->
            new Progress.Task() {
              @Override
              public void advance(long by) {}

              @Override
              public void note(String message) {
                if (what.startsWith("learning") && message.equals("block 3")) {
                  throw new IllegalStateException("stopped");
                }
              }

              @Override
              public void close() {}
            };
    assertThatThrownBy(() -> run("killed", PAIRS, false, killed)).hasMessage("stopped");
    assertThat(folder.resolve("killed.dictionaries/1.safetensors")).exists();
    assertThatThrownBy(() -> run("killed", PAIRS, false, Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--resume goes on with it");
    var begun = new ArrayList<String>();
    run(
        "killed",
        PAIRS,
        true,
        (what, total) -> {
          begun.add(what);
          return Progress.NONE.start(what, total);
        });
    assertThat(begun).anyMatch(what -> what.startsWith("learning"));
    assertThat(SharedDictionaries.directoryFor(folder.resolve("killed"))).doesNotExist();
    for (var file : List.of("model.safetensors", "config.json")) {
      assertThat(folder.resolve("killed").resolve(file))
          .hasSameBinaryContentAs(folder.resolve("pairs").resolve(file));
    }
  }

  @Test
  void whatCannotShareIsRefused() {
    var knapsack = Optional.of(new RemovalKnapsack(Measure.OUTPUT, true));
    var spread = Recipe.factorization("cospadi", REMOVED, knapsack, TWO);
    assertThatThrownBy(() -> run("spread", spread, false, Progress.NONE))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("take --allocator uniform, or group=1");
    assertThatThrownBy(() -> LevelSpec.of("cospadi:0.2:group=2"))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("a level is of one layer");
  }
}
