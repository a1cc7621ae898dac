package ai.lathe.compress.report.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.SampleReports;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pages as text; what they look like is looked at in a browser. */
class ReportPageTest {

  private static final ObjectMapper JSON =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  private static final Pattern SCRIPT =
      Pattern.compile("<script([^>]*)>(.*?)</script>", Pattern.DOTALL);

  @TempDir private Path folder;

  @Test
  void thePageHoldsItsReports() throws IOException {
    var reports = List.of(SampleReports.language(), SampleReports.mixture());
    var page = ReportPage.of(reports).html();
    assertThat(island(page, "data")).isEqualTo(JSON.readTree(JSON.writeValueAsString(reports)));
  }

  @Test
  void whatIsDrawnIsWhatWasMeasured() throws IOException {
    var report = SampleReports.mixture();
    var figures = island(html(report), "figures");

    var fidelity = figures.get("fidelity");
    assertThat(fidelity.get("original_bytes").asLong()).isEqualTo(40_000_000);
    assertThat(fidelity.get("points")).hasSize(5);
    assertThat(fidelity.get("points").get(0).get("loss").asDouble()).isEqualTo(0.0125);
    assertThat(fidelity.get("points").get(0).get("bytes").asLong()).isEqualTo(10_000_000);
    // 8 MB at 0.06, 9.75 MB at 0.02, 10 MB at 0.0125, 10.25 MB at 0.012; 11 MB at 0.015 is beaten.
    assertThat(fidelity.get("front").toString()).isEqualTo("[1,4,0,3]");

    // 21 layers at 0.001 each.
    var predicted = figures.get("predicted").get("points");
    assertThat(predicted).hasSize(3);
    assertThat(predicted.get(0).get("loss").asDouble()).isCloseTo(0.021, within(1e-12));
    assertThat(predicted.get(2).get("loss").asDouble()).isEqualTo(0.0125);

    var errors = figures.get("errors");
    assertThat(errors.get("blocks").toString()).isEqualTo("[0,1,2]");
    assertThat(errors.get("series")).hasSize(7);
    assertThat(errors.get("series").get(6).get("name").asText()).isEqualTo("down_proj");
    assertThat(errors.get("series").get(6).get("values").get(1).asDouble())
        .isEqualTo(report.layers().get(13).relativeError());

    assertThat(figures.get("search").get("series").get(0).get("steps")).hasSize(3);
    var ranges = figures.get("positions").get("series").get(0).get("ranges");
    assertThat(ranges.get(2).get("from").asInt()).isEqualTo(4);
    assertThat(ranges.get(2).get("kl").asDouble()).isEqualTo(0.0125);

    var parts = figures.get("parts");
    assertThat(parts.get("bars").get(0).get("bytes").toString())
        .isEqualTo("[12000000,27900000,100000]");
    assertThat(parts.get("bars").get(1).get("bytes").toString())
        .isEqualTo("[6000000,3900000,100000]");
  }

  @Test
  void theOutcomeStandsFirst() {
    assertThat(html(SampleReports.language()))
        .contains("<h1>4.0× smaller, EAR 0.9850, KL 0.0125 on held-out text</h1>");
    assertThat(html(SampleReports.encoder()))
        .contains("<h1>4.0× smaller, embeddings with a cosine of 0.9975 on held-out text</h1>");
    assertThat(html(SampleReports.language(), SampleReports.mixture()))
        .contains("<h1>2 artifacts of model-135M, 4.0× smaller, KL 0.0125</h1>");
  }

  @Test
  void allPartsAreThereWhateverTheReportHolds() throws IOException {
    var old = folder.resolve("report.json");
    Files.writeString(
        old,
        """
        {"model": "m", "artifact": "a",
         "size": {"original_bytes": 10, "artifact_bytes": 5, "ratio": 2}}
        """);
    for (var reports :
        List.of(
            List.of(SampleReports.mixture()),
            List.of(SampleReports.encoder()),
            List.of(ReportFile.read(old)),
            List.of(ReportFile.read(old), SampleReports.language()),
            List.of(SampleReports.encoder(), SampleReports.language()))) {
      var page = ReportPage.of(reports).html();
      assertThat(page)
          .contains(
              "id=\"fidelity\"",
              "id=\"levels\"",
              "id=\"errors\"",
              "id=\"search\"",
              "id=\"positions\"",
              "id=\"parts\"",
              "id=\"remarks\"",
              "id=\"making\"");
      // What is to be drawn has its numbers, and no empty axes are shown.
      var figures = island(page, "figures");
      var drawn = new ArrayList<String>();
      Pattern.compile("data-figure=\"([a-z]+)\"")
          .matcher(page)
          .results()
          .forEach(match -> drawn.add(match.group(1)));
      var names = new ArrayList<String>();
      figures.fieldNames().forEachRemaining(names::add);
      assertThat(drawn).containsExactlyInAnyOrderElementsOf(names);
    }
  }

  @Test
  void whatIsMissingIsSaid() throws IOException {
    var old = folder.resolve("report.json");
    Files.writeString(
        old,
        """
        {"model": "m", "artifact": "a",
         "size": {"original_bytes": 10, "artifact_bytes": 5, "ratio": 2},
         "quality": {"perplexity": 3.5, "tokens": 7}}
        """);
    assertThat(outsideScripts(html(ReportFile.read(old))))
        .contains(
            "<h1>2.0× smaller</h1>",
            "Nothing was measured against the original.",
            "The report names no layers that stand in blocks.",
            "The report holds no errors of layers in blocks.",
            "No allocator ran: the recipe gave every layer its level.",
            "The report holds no divergence by position",
            "The report does not say what its bytes are made of")
        .doesNotContain("data-figure");
  }

  @Test
  void namesAreNoMarkup() throws IOException {
    var evil = "</script><script>alert(1)</script><img src=x onerror='alert(\"2\")'>&\u202E\u0000";
    var report =
        SampleReports.named(SampleReports.mixture(), "out/" + evil, evil, List.of(evil, "<b>"));
    var page = ReportPage.of(List.of(report, report)).html();
    assertThat(page).doesNotContain("<script>alert", "\u202E", "\u0000");
    assertThat(outsideScripts(page)).doesNotContain("<img", "onerror='", "alert(1)</script");
    assertThat(page).contains("&lt;img src=x onerror=&#39;");
    assertThat(SCRIPT.matcher(page).results()).hasSize(4);
    assertThat(island(page, "data").get(0).get("model").asText()).isEqualTo(evil);
  }

  /** Neither addresses nor any way to load from one, and only scripts whose hashes are named. */
  @Test
  void nothingIsLoadedFromAnywhere() throws Exception {
    var page = html(SampleReports.mixture());
    var hashes = new ArrayList<String>();
    for (var script : SCRIPT.matcher(page).results().toList()) {
      if (script.group(1).isEmpty()) {
        var digest =
            MessageDigest.getInstance("SHA-256")
                .digest(script.group(2).getBytes(StandardCharsets.UTF_8));
        hashes.add("'sha256-" + Base64.getEncoder().encodeToString(digest) + "'");
      } else {
        assertThat(script.group(1)).contains("type=\"application/json\"").doesNotContain("src");
      }
    }
    assertThat(page)
        .contains(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src "
                + String.join(" ", hashes)
                + "; base-uri 'none'; form-action 'none'");
    var own = outsideScripts(page);
    assertThat(own)
        .doesNotContain("http:", "https:", "url(", "@import", "src=", "<link", "<iframe");
    assertThat(Pattern.compile("href=\"[^#]").matcher(own).find()).isFalse();
    var drawing = SCRIPT.matcher(page).results().toList().getLast().group(2);
    assertThat(drawing)
        .doesNotContain("fetch(", "XMLHttpRequest", "import(", "http:", "https:", "innerHTML");
  }

  @Test
  void aPageIsKnownForOne() throws IOException {
    var page = folder.resolve("report.html");
    ReportPage.of(List.of(SampleReports.language())).write(page);
    assertThat(Page.isAt(page)).isTrue();
    var other = Files.writeString(folder.resolve("other.html"), "<!doctype html>");
    assertThat(Page.isAt(other)).isFalse();
    assertThat(Page.isAt(folder.resolve("nothing.html"))).isFalse();
    assertThat(ReportPage.beside(folder.resolve("m.gguf.report.json")))
        .isEqualTo(folder.resolve("m.gguf.report.html"));
  }

  private static String outsideScripts(String page) {
    return SCRIPT.matcher(page).replaceAll("");
  }

  private static String html(Report... reports) {
    return ReportPage.of(List.of(reports)).html();
  }

  private static JsonNode island(String page, String id) throws IOException {
    var start = "<script type=\"application/json\" id=\"" + id + "\">";
    int from = page.indexOf(start) + start.length();
    return JSON.readTree(page.substring(from, page.indexOf("</script>", from)));
  }
}
