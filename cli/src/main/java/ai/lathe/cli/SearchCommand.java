package ai.lathe.cli;

import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.DatabaseRequest;
import ai.lathe.compress.database.DatabaseSummary;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.eval.data.TextData;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe search}. */
@Command(
    name = "search",
    description = {
      "Compresses every layer of a model at several levels, once, into a level database: the weights"
          + " as they will be written, their exact bytes and what each loses.",
      "'lathe compress --levels-db' then chooses the best mix for any budget. Levels may be added"
          + " later; those that are there are not computed again."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe search path/to/model -o levels --levels W2A16,W3A16,W4A16,W6A16,W8A16"
          + " --data text.txt",
      "  lathe search path/to/model -o levels --levels W3A16,sparse:0.5,sparse:0.5+W4A16"
          + " --data text.txt",
      "  lathe search path/to/model -o levels --gguf Q2_K,Q3_K,Q4_K,Q6_K --data text.txt",
      "  lathe search path/to/model -o levels --levels W5A16 --data text.txt"
    })
final class SearchCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DB",
      description = "Directory of the database. One that is there gets the levels that it lacks.")
  private Path output;

  @ArgGroup private Levels levels = new Levels();

  /** One of these. */
  static final class Levels {
    @Option(
        names = "--levels",
        split = ",",
        paramLabel = "LEVEL",
        description =
            "For directories: W4A16 (and other schemes), W4A16:g32 (groups of 32), sparse:0.5,"
                + " sparse:2:4, sparse:0.5+W4A16; another method goes before it: rtn:W4A16,"
                + " wanda:0.5. Default: W2A16,W3A16,W4A16,W5A16,W6A16,W8A16.")
    private List<String> names;

    @Option(
        names = "--gguf",
        split = ",",
        paramLabel = "TYPE",
        description = "For GGUF files: its types; sparse:0.5+Q4_K and rtn:Q4_K too.")
    private List<String> types;
  }

  @Option(names = "--format", paramLabel = "NAME", description = Descriptions.FORMAT)
  private Optional<String> format;

  @Option(
      names = "--per-matrix",
      description =
          "Each matrix has a level of its own. Otherwise queries, keys and values have one, and gate"
              + " and up, as engines run them as one product (GGUF files: always each by itself).")
  private boolean perMatrix;

  @Option(
      names = "--reference",
      paramLabel = "LEVEL",
      description =
          "Calibrate each block on what the blocks before it give at this level, instead of the"
              + " original.")
  private Optional<String> reference;

  @Mixin private CalibrationText calibration;

  @Option(
      names = "--sensitivity",
      paramLabel = "kl",
      description =
          "Also measure the divergence that each layer causes alone at each level: one pass through"
              + " the model for each.")
  private Optional<String> sensitivity;

  @Option(
      names = "--sensitivity-tokens",
      paramLabel = "N",
      defaultValue = "8192",
      description = "Tokens of --data to measure it on. Default: ${DEFAULT-VALUE}.")
  private int sensitivityTokens;

  @Option(names = "--resume", description = "Go on with a run that was interrupted.")
  private boolean resume;

  @Option(names = "--force", description = "Begin anew where DB holds a database.")
  private boolean force;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  SearchCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (sensitivity.isPresent() && !sensitivity.get().equals("kl")) {
      throw LatheException.unknown("--sensitivity", sensitivity.get(), List.of("kl"));
    }
    try (var source = Checkpoints.open(model, console.progress())) {
      var target = target();
      var asked =
          levels.names != null
              ? LevelSpec.all(levels.names)
              : levels.types != null ? LevelSpec.all(levels.types) : LevelSpec.usual(target);
      var request =
          new DatabaseRequest(output, asked, target, !perMatrix, reference, resume, force);
      var sequences = sequences(source);
      LevelDatabase.build(source, sequences, request, console.progress(), console::say).close();
      if (sensitivity.isPresent()) {
        measure(source, sequences);
      }
      try (var database = LevelDatabase.open(output, source)) {
        print(database);
      }
    }
    return Main.OK;
  }

  private void measure(Checkpoint source, List<int[]> sequences) {
    var settings = FitnessSettings.divergence();
    console.say(
        String.format(
            Locale.ROOT,
            "divergence by layer: up to %.1f GB of layers, states and logits are kept in memory",
            settings.memory() / 1e9));
    try (var database = LevelDatabase.open(output, source);
        var fitness = new ModelFitness(source, database, sequences, settings)) {
      LevelDatabase.measure(output, source, fitness, sensitivityTokens, console.progress());
    }
  }

  private Target target() {
    if (levels.types == null) {
      return format
          .<Target>map(name -> new Target.Directory(Quantizations.named(name)))
          .orElse(Target.HUGGING_FACE);
    }
    if (format.isPresent()) {
      throw new LatheException("--format is for directories, and --gguf for GGUF files");
    }
    return Target.GGUF;
  }

  /**
   * Those that 'lathe compress' calibrates on with the same options: what it measures on is neither
   * calibrated nor searched on.
   */
  private List<int[]> sequences(Checkpoint source) {
    var tokenizer =
        source
            .tokenizer()
            .orElseThrow(
                () -> new LatheException(model + " has no tokenizer, so no text can be run"));
    if (calibration.data.isEmpty()) {
      console.say(
          "note: no --data given: the public-domain text that comes with Lathe is used; text like the"
              + " model's own would be better");
    }
    var text =
        TextData.open(
            calibration.data.orElseGet(() -> EmbeddedModel.cached().calibration()),
            calibration.field);
    var heldOut =
        calibration.data.isPresent()
            ? Optional.<TextData>empty()
            : Optional.of(TextData.open(EmbeddedModel.cached().heldOut(), calibration.field));
    int tokens = Texts.length(calibration.length, source.config().context());
    var kind = source.architecture().kind();
    return Texts.take(
            kind, tokenizer, text, heldOut, true, calibration.samples, tokens, calibration.seed)
        .calibration();
  }

  private void print(LevelDatabase database) {
    var summary = DatabaseSummary.of(database);
    if (json) {
      console.json(summary);
      return;
    }
    var measures = EnumSet.noneOf(Measure.class);
    summary.levels().forEach(level -> measures.addAll(level.losses().keySet()));
    var header = new ArrayList<>(List.of("level", "bytes", "bits per weight", "zeros"));
    measures.forEach(measure -> header.add(measure.name().toLowerCase(Locale.ROOT)));
    header.add("time");
    header.add("fallbacks");
    var table = new Table(header.toArray(String[]::new));
    for (var level : summary.levels()) {
      var row =
          new ArrayList<>(
              List.of(
                  level.level(),
                  Sizes.count(level.bytes()),
                  Sizes.number(level.bitsPerWeight(), 3),
                  Sizes.number(100 * level.sparsity(), 1) + " %"));
      measures.forEach(
          measure ->
              row.add(
                  level.losses().containsKey(measure)
                      ? String.format(Locale.ROOT, "%.3e", level.losses().get(measure))
                      : "-"));
      row.add(Durations.of((long) (level.seconds() * 1e9)));
      row.add(Integer.toString(level.fallbacks()));
      table.row(row.toArray(String[]::new));
    }
    table.lines().forEach(console::print);
    console.say(
        "%s: %d levels of %d layers in %d units, %s on disk"
            .formatted(
                output,
                summary.levels().size(),
                summary.layers(),
                summary.units(),
                Sizes.bytes(summary.diskBytes())));
  }
}
