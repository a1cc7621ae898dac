package ai.lathe.compress.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReportFileTest {

  @TempDir private Path folder;

  @Test
  void whatIsWrittenIsRead() {
    for (var report :
        List.of(SampleReports.language(), SampleReports.encoder(), SampleReports.mixture())) {
      var file = folder.resolve("report.json");
      ReportFile.write(report, file);
      assertThat(ReportFile.read(file)).isEqualTo(report);
    }
  }

  /** As the first version wrote it, and with what some later one may add. */
  @Test
  void whatIsNotThereIsEmpty() throws IOException {
    var file = folder.resolve("report.json");
    Files.writeString(
        file,
        """
        {"model": "m", "artifact": "a", "future": {"x": 1},
         "size": {"original_bytes": 10, "artifact_bytes": 5, "ratio": 2, "shape": "round"},
         "quality": {"perplexity": 3.5, "kl": 0.25, "mood": "good"},
         "layers": [{"name": "l", "encoding": "int4", "bytes": 4, "relative_error": "NaN"}]}
        """);
    var report = ReportFile.read(file);
    assertThat(report.allocation()).isNull();
    assertThat(report.parts()).isEmpty();
    assertThat(report.notes()).isEmpty();
    assertThat(report.layers().getFirst().relativeError()).isNaN();
    assertThat(report.quality())
        .isInstanceOfSatisfying(
            ai.lathe.compress.measure.Measurement.Language.class,
            language -> assertThat(language.kl()).isEqualTo(0.25));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "[]",
        "{}",
        "{\"model\": \"m\"}",
        "{\"model\": \"m\", \"size\": {}, \"layers\": [null]}",
        "{\"model\": \"m\", \"size\": {}, \"layers\": [{\"encoding\": \"x\"}]}",
        "{\"model\": \"m\", \"size\": {\"ratio\": \"many\"}}",
        "{\"model\": \"m\", \"size\": {}",
        "{\"rows\": [], \"model\": 5}"
      })
  void whatIsNoReportIsRefusedInOneLine(String text) throws IOException {
    var file = folder.resolve("report.json");
    Files.writeString(file, text);
    assertThatThrownBy(() -> ReportFile.read(file))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("report.json is no report of 'lathe compress'")
        .message()
        .doesNotContain("\n");
  }

  @Test
  void aReportIsNamedByItsArtifact() throws IOException {
    var directory = Files.createDirectory(folder.resolve("small"));
    Files.writeString(directory.resolve("report.json"), "{}");
    var gguf = Files.writeString(folder.resolve("m.gguf"), "");
    Files.writeString(folder.resolve("m.gguf.report.json"), "{}");
    assertThat(ReportFile.named(directory)).isEqualTo(directory.resolve("report.json"));
    assertThat(ReportFile.named(gguf)).isEqualTo(folder.resolve("m.gguf.report.json"));
    assertThat(ReportFile.named(directory.resolve("report.json")))
        .isEqualTo(directory.resolve("report.json"));
    assertThatThrownBy(() -> ReportFile.named(folder))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("has no report: there is no file");
    assertThatThrownBy(() -> ReportFile.named(folder.resolve("nowhere")))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("there is no file or directory");
  }
}
