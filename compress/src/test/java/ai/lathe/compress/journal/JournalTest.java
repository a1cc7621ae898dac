package ai.lathe.compress.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalTest {

  private static final Fingerprint RUN = new Fingerprint(Map.of("model", "a", "data", "b"));

  @TempDir Path folder;

  @Test
  void finishedStepsComeBack() {
    var file = Journal.fileFor(folder.resolve("model"));
    try (var journal = Journal.start(file, RUN)) {
      journal.append(Map.of("block", 0));
      journal.append(Map.of("block", 1));
    }

    try (var journal = Journal.resume(file, RUN)) {
      assertThat(journal.steps())
          .extracting(step -> step.path("block").intValue())
          .containsExactly(0, 1);
      journal.append(Map.of("block", 2));
    }
    try (var journal = Journal.resume(file, RUN)) {
      assertThat(journal.steps()).hasSize(3);
      journal.delete();
    }
    assertThat(file).doesNotExist();
  }

  @Test
  void aLineCutShortByAKillIsAsIfNeverWritten() throws Exception {
    var file = folder.resolve("run.journal");
    try (var journal = Journal.start(file, RUN)) {
      journal.append(Map.of("block", 0));
    }
    Files.writeString(file, "{\"block\":1,\"lay", StandardOpenOption.APPEND);

    try (var journal = Journal.resume(file, RUN)) {
      assertThat(journal.steps()).hasSize(1);
      journal.append(Map.of("block", 1));
    }
    try (var journal = Journal.resume(file, RUN)) {
      assertThat(journal.steps())
          .extracting(step -> step.path("block").intValue())
          .isEqualTo(List.of(0, 1));
    }
  }

  @Test
  void anotherRunIsRefusedByWhatDiffers() {
    var file = folder.resolve("run.journal");
    Journal.start(file, RUN).close();
    var other = new Fingerprint(Map.of("model", "a", "data", "c"));

    assertThatThrownBy(() -> Journal.resume(file, other))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("had another data");
  }

  @Test
  void nothingToResumeIsSaid() {
    assertThatThrownBy(() -> Journal.resume(folder.resolve("none.journal"), RUN))
        .hasMessageContaining("nothing to resume");
  }

  @Test
  void aJournalWithoutAWholeLineIsABeginning() throws Exception {
    var file = Files.writeString(folder.resolve("run.journal"), "{\"model\":");
    try (var journal = Journal.resume(file, RUN)) {
      assertThat(journal.steps()).isEmpty();
    }
    assertThat(Files.readAllLines(file)).hasSize(1);
    Journal.resume(file, RUN).close();
  }

  @Test
  void twoRunsCannotWriteTheSameArtifact() {
    var file = folder.resolve("run.journal");
    try (var _ = Journal.start(file, RUN)) {
      assertThatThrownBy(() -> Journal.start(file, RUN))
          .hasMessageContaining("another run is writing this artifact");
    }
  }

  @Test
  void aDamagedJournalIsRefused() throws Exception {
    var file = folder.resolve("run.journal");
    Journal.start(file, RUN).close();
    Files.writeString(file, "not json\n", StandardOpenOption.APPEND);

    assertThatThrownBy(() -> Journal.resume(file, RUN))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("damaged");
  }
}
