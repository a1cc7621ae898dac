package ai.lathe.cli;

import ai.lathe.compress.Compression;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.report.Report;
import ai.lathe.model.EmbeddedModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code lathe demo}. */
@Command(
    name = "demo",
    description = {
      "Compresses two real models several ways, measures each result and prints one table.",
      "The models: all-MiniLM-L6-v2, an embedding model of 22.7 million parameters, fetched once;"
          + " and the small language model that comes with Lathe."
    },
    footerHeading = "%nExamples:%n",
    footer = {"  lathe demo", "  lathe demo -o /tmp/demo --json"})
final class DemoCommand implements Callable<Integer> {

  private final Console console;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FOLDER",
      defaultValue = "demo",
      description =
          "Where the artifacts go; earlier ones of the demo are replaced. Default: ${DEFAULT-VALUE}.")
  private Path output;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  DemoCommand(Console console) {
    this.console = console;
  }

  /** The result. */
  record Demo(String folder, List<Report> runs) {}

  @Override
  public Integer call() {
    long began = System.nanoTime();
    var exhibits = new ArrayList<DemoExhibit>();
    minilm()
        .ifPresentOrElse(
            model -> exhibits.addAll(DemoExhibit.encoder(model)),
            () ->
                console.say(
                    "note: MiniLM is not there (./lathe demo fetches it); going on without it"));
    var decoder = EmbeddedModel.extract(output.resolve("decoder"));
    exhibits.addAll(DemoExhibit.decoder(decoder.directory().toString()));

    var reports = new ArrayList<Report>();
    for (var exhibit : exhibits) {
      console.say("[%d/%d] %s".formatted(reports.size() + 1, exhibits.size(), exhibit.artifact()));
      var request = exhibit.request(output);
      reports.add(Compression.run(request, console.progress(), message -> {}));
    }
    if (json) {
      console.json(new Demo(output.toString(), reports));
    } else {
      print(exhibits, reports);
      console.say(
          "%d artifacts with their reports are in %s; all of it took %s"
              .formatted(reports.size(), output, Durations.of(System.nanoTime() - began)));
    }
    return Main.OK;
  }

  /** Where the launcher puts it. */
  private static Optional<String> minilm() {
    return Optional.ofNullable(System.getProperty("lathe.home"))
        .map(home -> Path.of(home, "cli", "target", "demo-models", "minilm", "model.onnx"))
        .filter(Files::exists)
        .map(Path::toString);
  }

  private void print(List<DemoExhibit> exhibits, List<Report> reports) {
    var table =
        new Table(
            "model",
            "scheme",
            "method",
            "size",
            "ratio",
            "bits/weight",
            "perplexity",
            "KL",
            "EAR",
            "top-1",
            "cosine");
    for (int i = 0; i < reports.size(); i++) {
      var exhibit = exhibits.get(i);
      if (i == 0 || !exhibits.get(i - 1).model().equals(exhibit.model())) {
        original(table, exhibit, reports.get(i));
      }
      var size = reports.get(i).size();
      row(
          table,
          List.of(
              exhibit.name(),
              exhibit.scheme(),
              exhibit.method(),
              Sizes.bytes(size.artifactBytes()),
              Sizes.number(size.ratio(), 2) + "x",
              Sizes.number(size.bitsPerWeight(), 2)),
          quality(reports.get(i).quality()));
    }
    table.lines().forEach(console::print);
  }

  private static void original(Table table, DemoExhibit exhibit, Report report) {
    var perplexity =
        report.quality() instanceof Measurement.Language language
            ? Sizes.number(language.referencePerplexity(), 3)
            : "";
    row(
        table,
        List.of(
            exhibit.name(), "original", "", Sizes.bytes(report.size().originalBytes()), "1x", ""),
        List.of(perplexity, "", "", "", ""));
  }

  private static List<String> quality(Measurement measured) {
    return switch (measured) {
      case Measurement.Language language ->
          List.of(
              Sizes.number(language.perplexity(), 3),
              Sizes.number(language.kl(), 5),
              Sizes.number(language.ear(), 4),
              Sizes.number(100 * language.top1(), 1) + " %",
              "");
      case Measurement.Embedding embedding ->
          List.of("", "", "", "", Sizes.number(embedding.cosine(), 5));
    };
  }

  private static void row(Table table, List<String> what, List<String> quality) {
    var cells = new ArrayList<>(what);
    cells.addAll(quality);
    table.row(cells.toArray(String[]::new));
  }
}
