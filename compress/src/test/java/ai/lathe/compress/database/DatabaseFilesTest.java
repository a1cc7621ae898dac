package ai.lathe.compress.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.report.WeightError;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What stands on disk: resumed, added to, refused. */
class DatabaseFilesTest {

  private static final String[] LEVELS = {"sparse:0.5+W4A16", "W2A16", "sparse:2:4", "W3A16"};

  @TempDir static Path folder;
  private static Checkpoint source;
  private static List<int[]> sequences;

  @BeforeAll
  static void build() {
    source = Checkpoints.open(EmbeddedModel.extract(folder.resolve("embedded")).directory());
    var random = new Random(1);
    sequences =
        Stream.generate(() -> random.ints(24, 2, source.config().vocabulary()).toArray())
            .limit(6)
            .toList();
    build(request("whole", LEVELS)).close();
  }

  @AfterAll
  static void close() {
    source.close();
  }

  private static DatabaseRequest request(String name, String... levels) {
    return DatabaseRequest.of(
        folder.resolve(name), LevelSpec.all(List.of(levels)), Target.HUGGING_FACE);
  }

  private static DatabaseRequest resumed(DatabaseRequest request) {
    return new DatabaseRequest(
        request.directory(),
        request.levels(),
        request.target(),
        request.together(),
        request.reference(),
        true,
        false);
  }

  private static LevelDatabase build(DatabaseRequest request) {
    return LevelDatabase.build(source, sequences, request, Progress.NONE, _ -> {});
  }

  /** Files of weights by their path in the database. */
  private static Map<String, byte[]> weights(String name) throws IOException {
    var directory = folder.resolve(name);
    var files = new TreeMap<String, byte[]>();
    try (var walk = Files.walk(directory)) {
      for (var file :
          walk.filter(file -> file.getFileName().toString().startsWith("block-")).toList()) {
        files.put(directory.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return files;
  }

  private static void assertSame(String name, String other) throws IOException {
    var files = weights(name);
    assertThat(files).hasSize(LEVELS.length * source.config().blocks());
    var others = weights(other);
    assertThat(files.keySet()).isEqualTo(others.keySet());
    files.forEach((path, bytes) -> assertThat(bytes).as(path).isEqualTo(others.get(path)));
    try (var first = LevelDatabase.open(folder.resolve(name), source);
        var second = LevelDatabase.open(folder.resolve(other), source)) {
      assertThat(first.table()).isEqualTo(second.table());
    }
  }

  @Test
  void whatIsReadBackIsWhatWasMeasured() {
    try (var database = LevelDatabase.open(folder.resolve("whole"), source)) {
      for (var unit : database.table().units()) {
        for (var option : unit.options()) {
          double lost = 0;
          for (var member : unit.members()) {
            var weight = database.weight(member, option.level());
            lost += WeightError.of(source.matrix(member).decode(), weight).relative();
            assertThat(weight.encoding())
                .isEqualTo(database.entry(member, option.level()).encoding());
          }
          assertThat(option.losses().get(Measure.WEIGHT)).isEqualTo(lost);
        }
      }
      var down = database.table().units().get(3).options();
      assertThat(down.stream().map(Option::level))
          .containsExactly("W2A16", "sparse:0.5+W4A16", "W3A16", "sparse:2:4", LevelStore.ORIGINAL);
      assertThat(down.stream().map(Option::sparsity)).containsExactly(0.0, 0.5, 0.0, 0.5, 0.0);
    }
  }

  @Test
  void levelsThatAreAddedAreThoseOfOneRun() throws IOException {
    build(request("added", LEVELS[1], LEVELS[2])).close();
    build(request("added", LEVELS[0], LEVELS[1], LEVELS[3])).close();
    assertSame("added", "whole");
  }

  @ParameterizedTest
  @CsvSource({"2, none", "1, W3A16"})
  void aRunThatGoesOnWritesTheSame(int killedIn, String reference) throws IOException {
    var name = "killed-" + killedIn + reference;
    var plain = request(name, LEVELS);
    var request =
        new DatabaseRequest(
            plain.directory(),
            plain.levels(),
            plain.target(),
            true,
            Optional.of(reference).filter(level -> !level.equals("none")),
            false,
            false);
    assertThatThrownBy(
            () ->
                LevelDatabase.build(
                    source, sequences, request, new Killer("block " + killedIn), _ -> {}))
        .hasMessage("killed");
    assertThatThrownBy(() -> LevelDatabase.open(request.directory(), source))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is no level database: it has no database.json");
    assertThatThrownBy(() -> build(request))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("--resume goes on with it, --force starts over");
    build(resumed(request)).close();
    if (request.reference().isEmpty()) {
      assertSame(name, "whole");
    } else {
      var other = request("reference", LEVELS);
      build(
              new DatabaseRequest(
                  other.directory(),
                  other.levels(),
                  other.target(),
                  true,
                  request.reference(),
                  false,
                  false))
          .close();
      assertSame(name, "reference");
      assertThat(weights(name).get("W2A16/block-00003.safetensors"))
          .isNotEqualTo(weights("whole").get("W2A16/block-00003.safetensors"));
    }
  }

  /** Fails when a loop comes to a step of this name. */
  private record Killer(String note) implements Progress {
    @Override
    public Task start(String what, long total) {
      return new Task() {
        @Override
        public void advance(long by) {}

        @Override
        public void note(String message) {
          if (message.equals(note)) {
            throw new IllegalStateException("killed");
          }
        }

        @Override
        public void close() {}
      };
    }
  }

  @Test
  void anotherModelOrTextIsRefused() {
    var other =
        new CheckpointView(source) {
          @Override
          public LinearWeight matrix(Address address) {
            var matrix = source.matrix(address);
            return address.equals(Address.weight(3, Role.UP))
                ? Dense.of(Matrix.zeros(matrix.rows(), matrix.columns()))
                : matrix;
          }
        };
    var directory = folder.resolve("whole");
    assertThatThrownBy(() -> LevelDatabase.open(directory, other))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is a level database of another model");
    var more = request("whole", "W5A16");
    assertThatThrownBy(
            () ->
                LevelDatabase.build(source, sequences.subList(0, 2), more, Progress.NONE, _ -> {}))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("was made with another data: choose another directory");
    var gguf = DatabaseRequest.of(directory, LevelSpec.all(List.of("Q4_K")), Target.GGUF);
    assertThatThrownBy(() -> build(gguf))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("is for compressed-tensors, not for gguf");
  }

  @Test
  void levelsThatAreNotOfOneLayerAreRefused() {
    assertThatThrownBy(() -> build(request("none", "awq:W4A16")))
        .isInstanceOf(LatheException.class);
    assertThatThrownBy(() -> build(request("none", "Q4_K")))
        .isInstanceOf(LatheException.class)
        .hasMessageStartingWith("level Q4_K is a type of GGUF files");
    assertThat(folder.resolve("none")).doesNotExist();
  }

  /** Groups of 1,024 become the whole row of 256 inputs: that level is there already. */
  @Test
  void whatShapesMakeTheSameIsStoredAndToldOnce() throws IOException {
    var notes = new ArrayList<String>();
    var levels = LevelSpec.all(List.of("rtn:W4A16:g256", "rtn:W4A16:g1024"));
    var request = DatabaseRequest.of(folder.resolve("shapes"), levels, Target.HUGGING_FACE);
    try (var database =
        LevelDatabase.build(source, sequences, request, Progress.NONE, notes::add)) {
      assertThat(notes)
          .contains(
              "note: rtn:W4A16:g1024, 24 layers from model.layers.0.self_attn.q_proj on: int4 g256"
                  + " instead of int4 g1024, which does not divide rows of 256");
      var query = Address.weight(0, Role.QUERY);
      assertThat(database.weight(query, "rtn:W4A16:g1024").decode().values())
          .isEqualTo(database.weight(query, "rtn:W4A16:g256").decode().values());
    }
    long stored = weights("shapes").get("rtn-W4A16-g1024/block-00000.safetensors").length;
    assertThat(stored).isLessThan(256 * 512);
  }

  @Test
  void blocksOfGgufAreStoredAsTheyAre() {
    var request =
        DatabaseRequest.of(
            folder.resolve("gguf"),
            LevelSpec.all(List.of("Q2_K", "Q4_K", "sparse:0.5+Q4_K")),
            Target.GGUF);
    try (var database = build(request)) {
      assertThat(database.table().units()).hasSize(4 * 7);
      for (var unit : database.table().units()) {
        var member = unit.members().getFirst();
        for (var option : unit.options().subList(0, 3)) {
          var weight = database.weight(member, option.level());
          assertThat(((BlockQuantized) weight).type().name()).isEqualTo(option.encoding());
          assertThat(option.losses().get(Measure.WEIGHT))
              .isEqualTo(WeightError.of(source.matrix(member).decode(), weight).relative());
        }
        assertThat(unit.options().getLast().encoding()).isEqualTo("BF16");
      }
    }
  }

  private static final List<String[]> DAMAGES =
      List.of(
          new String[] {"\"lathe-levels\"", "\"levels\"", "'format' should be 'lathe-levels'"},
          new String[] {"\"version\" : 1", "\"version\" : 2", "'version' should be 1"},
          new String[] {"\"compressed-tensors\"", "\"tensors\"", "unknown format 'tensors'"},
          new String[] {"\"bytes\" : ", "\"bytes\" : 1", "of model.layers.0.self_attn.q_proj is"},
          new String[] {"\"bytes\" : ", "\"bytes\" : -", "'bytes' should be a whole number"},
          new String[] {"\"OUTPUT\" : ", "\"OUTPUT\" : -", "should be a number, 0 or greater"},
          new String[] {"\"OUTPUT\"", "\"INPUT\"", "under one of [OUTPUT, WEIGHT"},
          new String[] {"layers.0.self_attn.q_proj", "layers.9.q", "lists layer model.layers.9.q"},
          new String[] {"layers.0.self_attn.q_proj", "layers.0.self_attn.k_proj", "stands twice"},
          new String[] {"\"level\" : \"W2A16\"", "\"level\" : \"../..\"", "each once"},
          new String[] {"\"sparsity\"", "\"same_as\" : \"W3A16\", \"sparsity\"", "stands before"},
          new String[] {"\"W2A16\"", "\"W2A17\"", "each once"},
          new String[] {"\"fingerprint\"", "\"fingerprints\"", "'fingerprint' should be an object"},
          new String[] {"{", "[", "not valid JSON"});

  @Test
  void damagedDescriptionsAreRefused() throws IOException {
    var whole = folder.resolve("whole");
    var damaged = Files.createDirectories(folder.resolve("damaged"));
    var text = Files.readString(whole.resolve(Manifest.FILE));
    for (var damage : DAMAGES) {
      assertThat(text).contains(damage[0]);
      Files.writeString(
          damaged.resolve(Manifest.FILE),
          text.replaceFirst(
              java.util.regex.Pattern.quote(damage[0]),
              java.util.regex.Matcher.quoteReplacement(damage[1])));
      assertThatThrownBy(() -> LevelDatabase.open(damaged, source))
          .as(damage[1])
          .isInstanceOf(LatheException.class)
          .hasMessageContaining(damage[2]);
    }
    Files.writeString(damaged.resolve(Manifest.FILE), text);
    assertThatThrownBy(() -> LevelDatabase.open(damaged, source))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("the level database lacks ");
  }

  @Test
  void damagedWeightsAreRefused() throws IOException {
    var copy = folder.resolve("copy");
    for (var file : weights("whole").entrySet()) {
      var path = copy.resolve(file.getKey());
      Files.createDirectories(path.getParent());
      Files.write(path, file.getValue());
    }
    Files.copy(folder.resolve("whole").resolve(Manifest.FILE), copy.resolve(Manifest.FILE));
    build(request("other", "W2A16", "W4A16")).close();
    var levels = new ArrayList<Path>();
    levels.add(folder.resolve("other/W4A16/block-00000.safetensors"));
    levels.add(folder.resolve("whole/W2A16/block-00001.safetensors"));
    var expected = List.of("should be", "no tensor");
    for (int i = 0; i < levels.size(); i++) {
      Files.copy(
          levels.get(i),
          copy.resolve("W3A16/block-00000.safetensors"),
          StandardCopyOption.REPLACE_EXISTING);
      var message = expected.get(i);
      try (var database = LevelDatabase.open(copy, source)) {
        assertThatThrownBy(() -> database.weight(Address.weight(0, Role.UP), "W3A16"))
            .isInstanceOf(LatheException.class)
            .hasMessageContaining(message);
      }
    }
    Files.write(copy.resolve("W3A16/block-00000.safetensors"), new byte[] {1, 2, 3});
    try (var database = LevelDatabase.open(copy, source)) {
      assertThatThrownBy(() -> database.weight(Address.weight(0, Role.UP), "W3A16"))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("too few for a safetensors file");
    }
  }
}
