package ai.lathe.cli;

import ai.lathe.compress.comparison.Comparison;
import ai.lathe.compress.comparison.ComparisonReport;
import ai.lathe.compress.comparison.ComparisonReport.Row;
import ai.lathe.compress.comparison.ComparisonRequest;
import ai.lathe.compress.comparison.ComparisonRequest.Cell;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe compare}. */
@Command(
    name = "compare",
    description = {
      "Compresses one model in many ways and measures every result on the same text.",
      "Every method is run at every scheme; DIR gets the tables as Markdown, JSON and a page. What does not"
          + " go together stands in them with the reason."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe compare path/to/model --methods rtn,gptq,awq --schemes W4A16,W3A16 -o table"
          + " --data text.txt",
      "  lathe compare path/to/model --methods rtn,gptq --gguf Q4_K,Q2_K -o table --data text.txt",
      "  lathe compare path/to/model --methods magnitude,wanda,sparsegpt --sparsities 0.5,0.7"
          + " --pattern 2:4 -o table --data text.txt",
      "  lathe compare path/to/model --recipe a.yaml --recipe b.yaml -o table --data text.txt",
      "  lathe compare path/to/model --methods spqr --schemes W3A16 -o table --data text.txt --resume"
    })
final class CompareCommand implements Callable<Integer> {

  private static final List<String> ROUNDING = List.of("rtn", "gptq");
  private static final List<String> PRUNING = List.of("magnitude", "wanda", "sparsegpt");

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "Where the tables go, and the artifacts while they are measured.")
  private Path output;

  @Option(
      names = "--methods",
      split = ",",
      paramLabel = "NAME",
      description =
          "What 'lathe compress --method' takes, several: ${COMPLETION-CANDIDATES}. Beside"
              + " --sparsities or --pattern, what --prune takes. Default: rtn,gptq, or"
              + " magnitude,wanda,sparsegpt.",
      completionCandidates = Names.Methods.class)
  private List<String> methods = List.of();

  @Option(
      names = "--schemes",
      split = ",",
      paramLabel = "NAME",
      description =
          "What 'lathe compress --scheme' takes, several. Default: W4A16, where nothing else is"
              + " given.",
      completionCandidates = Names.Schemes.class)
  private List<String> schemes = List.of();

  @Option(
      names = "--gguf",
      split = ",",
      paramLabel = "TYPE",
      description = "What 'lathe compress --gguf' takes, several.",
      completionCandidates = MatrixTypes.Blocks.class)
  private List<String> types = List.of();

  @Mixin private SparsityOptions sparsities;

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description = "A recipe to compare with the rest; may be given several times.")
  private List<Path> recipes = List.of();

  @Option(names = "--group-size", paramLabel = "N", description = GroupSize.DESCRIPTION)
  private Optional<String> groupSize;

  @Mixin private CalibrationOptions calibration;

  @Option(names = "--keep", description = "Leave the artifacts in DIR.")
  private boolean keep;

  @Option(
      names = "--resume",
      description = "Go on with the comparison in DIR; more methods and schemes may be named.")
  private boolean resume;

  @Option(names = "--force", description = "Start over where DIR holds a comparison.")
  private boolean force;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  CompareCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var request =
        new ComparisonRequest(
            model,
            output,
            cells(),
            calibration.data,
            calibration.evalData,
            calibration.field,
            calibration.samples,
            calibration.length,
            calibration.seed,
            keep,
            resume,
            force);
    var report = Comparison.run(request, console.progress(), console::say);
    if (json) {
      console.json(report);
    } else {
      print(report);
      console.say(
          "the tables are %s and %s, and to look at %s"
              .formatted(
                  Comparison.tablesIn(output),
                  Comparison.reportIn(output),
                  Comparison.pageIn(output)));
    }
    return Main.OK;
  }

  private List<Cell> cells() {
    var cells = new ArrayList<Cell>();
    var size = groupSize.map(GroupSize::parse);
    if (sparsities.given()) {
      cells.addAll(pruned(size));
    } else {
      boolean nothing = schemes.isEmpty() && types.isEmpty() && recipes.isEmpty();
      for (var scheme : nothing ? List.of(CompressCommand.DEFAULT_SCHEME) : schemes) {
        for (var method : methods(ROUNDING)) {
          cells.add(new Cell(method, scheme, Recipe.preset(method, scheme, size), false));
        }
      }
      for (var type : types) {
        for (var method : methods(ROUNDING)) {
          var recipe = Recipe.gguf(method, BlockTypes.named(type), Map.of());
          cells.add(new Cell(method, "gguf " + type, recipe, true));
        }
      }
    }
    for (var file : recipes) {
      var name = file.getFileName().toString();
      cells.add(new Cell(name, "recipe", RecipeReader.read(file), false));
    }
    var names = new LinkedHashMap<String, Cell>();
    for (var cell : cells) {
      if (names.put(cell.scheme() + " " + cell.method(), cell) != null) {
        throw new LatheException(
            "%s by %s is there twice; name it once".formatted(cell.scheme(), cell.method()));
      }
    }
    return cells;
  }

  private List<String> methods(List<String> otherwise) {
    return methods.isEmpty() ? otherwise : methods;
  }

  /** Every sparsity by every method, as it is and with every scheme. */
  private List<Cell> pruned(Optional<Integer> groupSize) {
    if (!types.isEmpty()) {
      throw new LatheException(
          "--gguf stores zeros like any other weight: leave it out beside --sparsities and --pattern");
    }
    var cells = new ArrayList<Cell>();
    for (var sparsity : sparsities.all()) {
      for (var method : methods(PRUNING)) {
        var pruning = Recipe.pruning(method, sparsity, Map.of());
        if (schemes.isEmpty()) {
          cells.add(new Cell(method, sparsity.label(), pruning, false));
        }
        for (var scheme : schemes) {
          var recipe = pruning.then(Recipe.preset("gptq", scheme, groupSize));
          cells.add(new Cell(method, sparsity.label() + " " + scheme, recipe, false));
        }
      }
    }
    return cells;
  }

  private void print(ComparisonReport report) {
    boolean encoder = report.referencePerplexity() == null;
    var header = new ArrayList<>(List.of("scheme", "method", "size", "bits/weight"));
    header.addAll(encoder ? List.of("cosine") : List.of("KL", "EAR", "top-1", "perplexity"));
    header.addAll(List.of("fallbacks", "seconds"));
    var table = new Table(header.toArray(String[]::new));
    for (var row : report.rows()) {
      var cells = new ArrayList<>(List.of(row.scheme(), row.method()));
      if (row.refused() == null) {
        cells.addAll(measured(row, encoder));
      }
      while (cells.size() < header.size()) {
        cells.add("-");
      }
      table.row(cells.toArray(String[]::new));
    }
    table.lines().forEach(console::print);
  }

  private static List<String> measured(Row row, boolean encoder) {
    var cells =
        new ArrayList<>(List.of(Sizes.bytes(row.bytes()), Sizes.number(row.bitsPerWeight(), 2)));
    cells.addAll(
        encoder
            ? List.of(Sizes.number(row.cosine(), 5))
            : List.of(
                Sizes.number(row.kl(), 5),
                Sizes.number(row.ear(), 4),
                Sizes.number(100 * row.top1(), 1) + " %",
                Sizes.number(row.perplexity(), 3)));
    cells.addAll(List.of(row.fallbacks().toString(), Sizes.number(row.seconds(), 1)));
    return cells;
  }
}
