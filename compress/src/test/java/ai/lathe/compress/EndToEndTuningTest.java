package ai.lathe.compress;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.compress.training.TunedScales;
import ai.lathe.compress.transform.SharedData;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Sparse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** GQSA on stories260K, whose scales are tuned over the whole model in the end. */
class EndToEndTuningTest {

  private static final String STAGE = "tuning scales over all blocks";

  @TempDir Path folder;
  private Path calibration;
  private Path unseen;

  @BeforeEach
  void texts() throws IOException {
    var text = Files.readString(SharedData.file("text/tinystories_a.txt"));
    calibration = Files.writeString(folder.resolve("calibration.txt"), text.substring(0, 30_000));
    unseen = Files.writeString(folder.resolve("unseen.txt"), text.substring(text.length() - 3_000));
  }

  @Test
  void onlyScalesChangeAndUnseenTextGains() {
    var before = run(request("before", 0, false), Progress.NONE);
    var after = run(request("after", 1, false), Progress.NONE);
    assertThat(kl(after)).isLessThan(kl(before));
    assertThat(after.size()).isEqualTo(before.size());
    assertThat(after.notes()).last().asString().startsWith("scales of 30 of 30 matrices tuned");
    int changed = 0;
    try (var one = open("before");
        var other = open("after")) {
      for (var address : one.addresses()) {
        if (!address.isVector(one.architecture())
            && one.matrix(address) instanceof Sparse(_, Mask mask, var values, _)) {
          var old = (Sparse.Values.Codes) values;
          var tuned = (Sparse) other.matrix(address);
          var now = (Sparse.Values.Codes) tuned.values();
          assertThat(now.kept()).isEqualTo(old.kept());
          assertThat(now.zeros()).isEqualTo(old.zeros());
          for (int row = 0; row < mask.rows(); row++) {
            assertThat(tuned.mask().word(row, 0)).isEqualTo(mask.word(row, 0));
          }
          var scales = now.scales().toFloats();
          changed += Arrays.equals(scales, old.scales().toFloats()) ? 0 : 1;
        }
      }
    }
    assertThat(changed).isEqualTo(30);
  }

  private Checkpoint open(String name) {
    return Checkpoints.open(folder.resolve(name).toString(), Progress.NONE);
  }

  @Test
  void aRunThatWasCutOffGoesOnToTheSameBytes() throws IOException {
    var whole = request("whole", 1, false);
    var scales = folder.resolve("scales");
    run(whole, new At("running the model", () -> Files.copy(scales(whole), scales)));
    assertThat(scales(whole)).doesNotExist();

    var interrupted = request("interrupted", 1, false);
    assertThatThrownBy(() -> run(interrupted, new At(STAGE, At::off))).isInstanceOf(Off.class);
    assertThat(interrupted.artifact()).doesNotExist();
    assertThat(scales(interrupted)).doesNotExist();
    copyUnfinished("interrupted", "late");
    run(request("interrupted", 1, true), Progress.NONE);
    assertThat(contents("interrupted")).isEqualTo(contents("whole"));

    // Killed when the scales were durable: they are taken as they are.
    Files.copy(scales, TunedScales.fileFor(folder.resolve("late")));
    run(request("late", 1, true), new At(STAGE, At::off));
    assertThat(contents("late")).isEqualTo(contents("whole"));
  }

  /** The journal and the staged files. */
  private void copyUnfinished(String from, String to) throws IOException {
    try (var all = Files.walk(folder)) {
      for (var path : all.filter(Files::isRegularFile).toList()) {
        var name = folder.relativize(path).toString();
        if (name.startsWith(from + ".")) {
          var copy = folder.resolve(to + name.substring(from.length()));
          Files.createDirectories(copy.getParent());
          Files.copy(path, copy);
        }
      }
    }
  }

  private static Path scales(CompressionRequest request) {
    return TunedScales.fileFor(request.artifact());
  }

  private CompressionRequest request(String name, int epochs, boolean resume) {
    var settings = new HashMap<String, Object>();
    settings.put("epochs", 0);
    settings.put("e2e_epochs", epochs);
    settings.put("e2e_learning_rate", 0.02);
    return new CompressionRequest(
        SharedData.file("models/stories260K").toString(),
        folder.resolve(name),
        Recipe.pruning("gqsa", new Sparsity(0.25, new Pattern.Blocks(1, 16)), settings),
        Optional.of(calibration),
        Optional.of(unseen),
        "text",
        12,
        Optional.of(128),
        0,
        resume,
        false);
  }

  private static Report run(CompressionRequest request, Progress progress) {
    return Compression.run(request, progress, _ -> {});
  }

  private static double kl(Report report) {
    return ((Measurement.Language) report.quality()).kl();
  }

  private Map<String, String> contents(String name) throws IOException {
    var contents = new TreeMap<String, String>();
    try (var files = Files.list(folder.resolve(name))) {
      for (var file : files.toList()) {
        if (!file.getFileName().toString().startsWith("report.")) {
          var bytes = Files.readAllBytes(file);
          contents.put(file.getFileName().toString(), java.util.HexFormat.of().formatHex(bytes));
        }
      }
    }
    return contents;
  }

  private static final class Off extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /**
   * Does something at the third step of a stage.
   *
   * @param stage with which its name begins
   */
  private record At(String stage, Action action) implements Progress {

    private interface Action {
      void run() throws IOException;
    }

    static void off() {
      throw new Off();
    }

    @Override
    public Task start(String what, long total) {
      return new Task() {
        private int steps;

        @Override
        public void advance(long by) {
          if (what.startsWith(stage) && ++steps == 3) {
            try {
              action.run();
            } catch (IOException e) {
              throw new java.io.UncheckedIOException(e);
            }
          }
        }

        @Override
        public void note(String message) {}

        @Override
        public void close() {}
      };
    }
  }
}
