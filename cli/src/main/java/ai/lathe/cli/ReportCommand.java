package ai.lathe.cli;

import ai.lathe.compress.report.Report;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.Page;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe report}. */
@Command(
    name = "report",
    description = {
      "Shows what 'lathe compress' measured, of one run or of several side by side, as a page that"
          + " opens in any browser and loads nothing.",
      "Every run has a page of its own beside its artifact already."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe report small smaller smallest.gguf -o side-by-side.html",
      "  lathe report old/report.json"
    })
final class ReportCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(
      paramLabel = "RUN",
      arity = "1..*",
      description =
          "What 'lathe compress' wrote: a directory, a .gguf file with its report beside it, or a"
              + " report.json of any version.")
  private List<Path> runs;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description =
          "Where the page goes. Default: beside the report of one run; report.html here for"
              + " several.")
  private Optional<Path> output;

  @Option(names = "--force", description = "Replace FILE even where it is no page of Lathe's.")
  private boolean force;

  ReportCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var files = runs.stream().map(ReportFile::named).toList();
    var page =
        output.orElseGet(
            () -> files.size() == 1 ? ReportPage.beside(files.getFirst()) : Path.of("report.html"));
    if (Files.exists(page) && !force && !Page.isAt(page)) {
      throw new LatheException(
          page + " exists already and is no page of Lathe's; replace it with --force");
    }
    var reports = new ArrayList<Report>();
    files.forEach(file -> reports.add(ReportFile.read(file)));
    ReportPage.of(reports).write(page);
    console.print(page.toString());
    return Main.OK;
  }
}
