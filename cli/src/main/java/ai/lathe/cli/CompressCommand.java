package ai.lathe.cli;

import ai.lathe.compress.Compression;
import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.RecipeReader;
import ai.lathe.compress.report.ReportFile;
import ai.lathe.compress.report.page.ReportPage;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe compress}. */
@Command(
    name = "compress",
    description = {
      "Compresses a model, writes it, opens what was written and measures it against the original.",
      "The result is a directory that vLLM loads (compressed-tensors), or a GGUF file for llama.cpp"
          + " where OUT ends in .gguf. A report stands in it or beside it,"
          + " as JSON and as a page to look at."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe compress path/to/model -o small --data text.txt",
      "  lathe compress path/to/model -o small --scheme W4A16 --group-size 32 --data text.txt",
      "  lathe compress path/to/model -o sparse --prune sparsegpt --sparsity 0.5 --data text.txt",
      "  lathe compress path/to/model -o sparse --prune wanda --pattern 2:4 --scheme W8A16",
      "  lathe compress path/to/model -o small --factorize svd-llm --remove 0.2 --data text.txt",
      "  lathe compress path/to/model -o narrow --factorize modegpt --remove 0.2 --scheme W8A16",
      "  lathe compress path/to/model -o small --factorize rocket --remove 0.2 --allocator knapsack",
      "  lathe compress path/to/model -o small --scheme W3A16 --compensate eora --rank 32",
      "  lathe compress path/to/model -o small.gguf --gguf Q4_K --data text.txt",
      "  lathe compress path/to/model -o small --levels-db levels --target-bpw 3.8",
      "  lathe compress path/to/model -o small --target-ear 0.99 --data text.txt",
      "  lathe compress path/to/model -o small.gguf --target-size 480MB --allocator evopress",
      "  lathe compress org/name -o small --recipe recipe.yaml --samples 256 --json",
      "  lathe compress path/to/model -o small --data text.txt --resume"
    })
final class CompressCommand implements Callable<Integer> {

  static final String DEFAULT_SCHEME = "W4A16";
  private static final String DEFAULT_BLOCKS = "Q4_K";

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "OUT",
      description = "Where the result goes: a directory, or a file whose name ends in .gguf.")
  private Path output;

  @ArgGroup private How how = new How();

  /** One of these. */
  static final class How {
    @Option(
        names = {"--scheme", "--then"},
        paramLabel = "NAME",
        description =
            "A preset: ${COMPLETION-CANDIDATES}. W is bits of weights, A of inputs; integers are in groups of 128. Default: "
                + DEFAULT_SCHEME
                + ".",
        completionCandidates = Names.Schemes.class)
    private String scheme;

    @Option(
        names = "--gguf",
        paramLabel = "TYPE",
        arity = "0..1",
        fallbackValue = DEFAULT_BLOCKS,
        description =
            "Blocks of a GGUF file: ${COMPLETION-CANDIDATES}. Default where OUT ends in .gguf: "
                + DEFAULT_BLOCKS
                + ".",
        completionCandidates = MatrixTypes.Blocks.class)
    private String blocks;

    @Option(
        names = "--recipe",
        paramLabel = "FILE",
        description = "A recipe of llm-compressor (YAML).")
    private Path recipe;
  }

  @Option(
      names = "--method",
      paramLabel = "NAME",
      description =
          "How weights are compressed: ${COMPLETION-CANDIDATES}. rtn rounds each to the nearest,"
              + " gptq makes up for each rounding error in the weights to come. Transforms go before"
              + " another with a plus: smoothquant+gptq. Default: gptq; rtn where there is an"
              + " --imatrix.",
      completionCandidates = Names.Methods.class)
  private Optional<String> method;

  @Mixin private PruningOptions pruning;

  @Mixin private FactorizationOptions factorization;

  @Mixin private CompensationOptions compensation;

  @Option(names = "--group-size", paramLabel = "N", description = GroupSize.DESCRIPTION)
  private Optional<String> groupSize;

  @Option(
      names = "--imatrix",
      paramLabel = "FILE",
      description =
          "An importance matrix of the model, of 'lathe imatrix' or of llama.cpp: rtn onto GGUF's types"
              + " weighs errors by it.")
  private Optional<Path> imatrix;

  @Mixin private TargetOptions target;

  @Mixin private CalibrationOptions calibration;

  @Option(names = "--format", paramLabel = "NAME", description = Descriptions.FORMAT)
  private Optional<String> format;

  @Option(names = "--resume", description = "Go on with a run that was interrupted.")
  private boolean resume;

  @Option(names = "--force", description = "Replace what stands at OUT.")
  private boolean force;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  CompressCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var report =
        target.given(factorization.given())
            ? target.run(request(targeted(), kind()), console)
            : Compression.run(request(recipe(), kind()), console.progress(), console::say);
    if (json) {
      console.json(report);
    } else {
      Lines.of(report).forEach(console::print);
      console.say(
          "the report is %s, and to look at %s"
              .formatted(ReportFile.of(output), ReportPage.of(output)));
    }
    return Main.OK;
  }

  /** By the name of the result; with a target, --gguf says it too. */
  private Target kind() {
    boolean gguf = target.given(factorization.given()) && how.blocks != null;
    return gguf ? Target.GGUF : Target.of(output, format.map(Quantizations::named));
  }

  /** A target leaves nothing to a recipe. */
  private Recipe targeted() {
    if (how.scheme != null
        || how.recipe != null
        || method.isPresent()
        || groupSize.isPresent()
        || imatrix.isPresent()
        || pruning.given()
        || factorization.given()
        || compensation.given()) {
      throw new LatheException(
          "a --target chooses among the levels of a database: --scheme, --recipe, --method,"
              + " --group-size, --imatrix, --prune, --factorize and --compensate have no place beside"
              + " it; name levels with --levels, for example W4A16:g32, sparse:0.5+W4A16 or"
              + " rocket:0.2");
    }
    return new Recipe(List.of());
  }

  private CompressionRequest request(Recipe recipe, Target kind) {
    return new CompressionRequest(
        model,
        output,
        recipe,
        calibration.data,
        calibration.evalData,
        calibration.field,
        calibration.samples,
        calibration.length,
        calibration.seed,
        imatrix,
        resume,
        force,
        kind);
  }

  private Recipe recipe() {
    if (how.recipe != null) {
      if (method.isPresent()
          || groupSize.isPresent()
          || pruning.given()
          || factorization.given()
          || compensation.given()) {
        throw new LatheException(
            "--method, --group-size, --prune, --factorize and --compensate stand in the recipe where"
                + " there is one");
      }
      return RecipeReader.read(how.recipe);
    }
    return compensation.given() ? compressing().then(compensation.recipe()) : compressing();
  }

  private Recipe compressing() {
    if (!pruning.given() && !factorization.given()) {
      return quantization();
    }
    if (pruning.given() && factorization.given()) {
      throw new LatheException(
          "a weight is pruned or factorized: give --prune or --factorize, or a --recipe with targets"
              + " of each");
    }
    var first =
        pruning.given()
            ? pruning.recipe()
            : factorization.recipe(target.allocator(), target.settings());
    if (how.scheme != null || how.blocks != null) {
      return first.then(quantization());
    }
    if (method.isPresent() || groupSize.isPresent()) {
      throw new LatheException(
          "--method and --group-size round the weights that stay, and need a --scheme (or --gguf)"
              + " beside --prune and --factorize");
    }
    return first;
  }

  private Recipe quantization() {
    var rounding = method.orElse(imatrix.isPresent() ? "rtn" : "gptq");
    boolean gguf = output.toString().toLowerCase(java.util.Locale.ROOT).endsWith(".gguf");
    if (how.blocks != null || how.scheme == null && gguf) {
      if (groupSize.isPresent()) {
        throw new LatheException("--group-size belongs to --scheme; GGUF types have their own");
      }
      var type = how.blocks == null ? DEFAULT_BLOCKS : how.blocks;
      boolean weighed = imatrix.isPresent() && rounding.equals("rtn");
      var settings =
          weighed ? Map.<String, Object>of("importance", true) : Map.<String, Object>of();
      return Recipe.gguf(rounding, BlockTypes.named(type), settings);
    }
    return Recipe.preset(
        rounding,
        how.scheme == null ? DEFAULT_SCHEME : how.scheme,
        groupSize.map(GroupSize::parse));
  }
}
