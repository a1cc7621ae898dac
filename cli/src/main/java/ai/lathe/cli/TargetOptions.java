package ai.lathe.cli;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.TargetRequest;
import ai.lathe.compress.TargetedCompression;
import ai.lathe.compress.TargetedCompression.Timing;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.compress.allocation.EvoPress;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.budget.Goal;
import ai.lathe.compress.budget.Latency;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.database.LevelSpec;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.report.Report;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** What the result must come to, and among which levels to choose for it. */
final class TargetOptions {

  /** Of losses, where none is named: the first of these that the database has of all levels. */
  private static final List<Measure> MEASURES = List.of(Measure.KL, Measure.FISHER, Measure.OUTPUT);

  @ArgGroup private Targets targets = new Targets();

  /** One of these. */
  static final class Targets {
    @Option(
        names = "--target-bpw",
        paramLabel = "BITS",
        description =
            "Bits per weight, at most: every byte of the compressed linear layers over their"
                + " weights. Levels are chosen layer by layer.")
    private Double bits;

    @Option(
        names = "--target-size",
        paramLabel = "SIZE",
        description = "Bytes of the whole result, at most: 480MB, 1.2GB, 512MiB or 480000000.")
    private String size;

    @Option(
        names = "--target-kl",
        paramLabel = "NATS",
        description =
            "The smallest result whose mean KL from the original on held-out text is no more.")
    private Double divergence;

    @Option(
        names = "--target-ear",
        paramLabel = "RATE",
        description = "The smallest one whose expected acceptance rate is no less: 0.99.")
    private Double acceptance;

    @Option(
        names = "--target-ppl",
        paramLabel = "RATIO",
        description = "The smallest one whose perplexity over the original's is no more: 1.02.")
    private Double perplexity;

    @Option(
        names = "--target-speedup",
        paramLabel = "FACTOR",
        description =
            "Tokens a second of decoding over the original's, at least: 2 or 1.5x, as 'lathe bench'"
                + " measures on this machine; with the least loss.")
    private String speedup;

    @Option(
        names = "--target-prefill-speedup",
        paramLabel = "FACTOR",
        description = "Likewise of reading a prompt.")
    private String prefillSpeedup;
  }

  @Option(
      names = "--levels-db",
      paramLabel = "DB",
      description =
          "Levels to choose from, of 'lathe search'. Otherwise they are made first, beside OUT.")
  private Optional<Path> database;

  @Option(
      names = "--levels",
      split = ",",
      paramLabel = "LEVEL",
      description =
          "Which, where they are made first, as 'lathe search' takes them. Default:"
              + " W2A16,W3A16,W4A16,W5A16,W6A16,W8A16; of GGUF Q2_K,Q3_K,Q4_K,Q5_K,Q6_K,Q8_0.")
  private List<String> names = List.of();

  @Option(names = "--keep-levels", description = "Leave them there for the next target.")
  private boolean keep;

  @Option(
      names = "--allocator",
      paramLabel = "NAME",
      description =
          "How levels are chosen: ${COMPLETION-CANDIDATES}. Default: knapsack. Beside --factorize, how"
              + " what is removed is spread over layers: knapsack (default of rocket) or uniform (of"
              + " all others).",
      completionCandidates = Names.Allocators.class)
  private Optional<String> allocator;

  @Option(
      names = "--allocator-option",
      paramLabel = "KEY=VALUE",
      description =
          "A setting of the allocator; may be given several times. Beside --factorize:"
              + " measure=fisher|output|weight, cap=true|false.")
  private Map<String, Object> settings = new HashMap<>();

  @Option(
      names = "--search-minutes",
      paramLabel = "N",
      description = "What evopress may take, about; more finds better mixes. Default: 10.")
  private Optional<Double> minutes;

  @Option(
      names = "--measure",
      paramLabel = "NAME",
      description =
          "Losses of single layers to add up: output, weight, hessian, fisher or kl. Default: kl,"
              + " fisher or output, the first that the levels have.")
  private Optional<String> measure;

  @Option(
      names = "--recalibrate",
      description =
          "Compute the chosen levels again, each on what the compressed layers before it give,"
              + " instead of taking them as they are stored.")
  private boolean recalibrate;

  /** Of {@code --allocator}. */
  Optional<String> allocator() {
    return allocator;
  }

  /** Of {@code --allocator-option}. */
  Map<String, Object> settings() {
    return settings;
  }

  /**
   * @param factorizes whether an allocator has something to do without a target
   */
  boolean given(boolean factorizes) {
    boolean one =
        targets.bits != null
            || targets.size != null
            || targets.divergence != null
            || targets.acceptance != null
            || targets.perplexity != null
            || targets.speedup != null
            || targets.prefillSpeedup != null;
    boolean others =
        database.isPresent()
            || !names.isEmpty()
            || keep
            || !factorizes && (allocator.isPresent() || !settings.isEmpty())
            || minutes.isPresent()
            || measure.isPresent()
            || recalibrate;
    if (others && !one) {
      throw new LatheException(
          "--levels-db, --levels, --allocator, --measure and --recalibrate need to know what the"
              + " result is to come to: give --target-bpw, --target-size, --target-kl, --target-ear,"
              + " --target-ppl or --target-speedup; or, for --allocator alone, --factorize with"
              + " --remove");
    }
    return one;
  }

  Report run(CompressionRequest request, Console console) {
    var goal = goal();
    var how = allocator(request.artifact());
    TargetedCompression.refuseToOverwrite(request);
    try (var source = Checkpoints.open(request.model(), console.progress())) {
      Report report;
      var levels = database.orElse(TargetedCompression.levelsFor(request.artifact())).toString();
      try (var store = store(request, source, console)) {
        report =
            TargetedCompression.run(
                new TargetRequest(request, goal, levels, how, measure(store.table()), recalibrate),
                source,
                store,
                Optional.of(
                    new Timing(
                        new RuntimeStopwatch(RuntimeOptions.DEFAULT),
                        Path.of(levels).resolve(Latency.FILE))),
                console.progress(),
                console::say);
      }
      if (database.isEmpty() && !keep) {
        TargetedCompression.deleteLevels(request.artifact());
      }
      return report;
    }
  }

  /** A search that takes minutes is journaled beside what it is for. */
  private Allocator allocator(Path artifact) {
    minutes.ifPresent(given -> settings.put("minutes", given));
    var named = Allocators.named(allocator.orElse("knapsack"), settings);
    return named instanceof EvoPress search && search.journal().isEmpty()
        ? search.journaledIn(
            Journal.fileFor(artifact.resolveSibling(artifact.getFileName() + ".search")))
        : named;
  }

  private Goal goal() {
    if (targets.bits != null) {
      return Goal.bitsPerWeight(targets.bits);
    }
    if (targets.size != null) {
      return Goal.size(targets.size);
    }
    if (targets.divergence != null) {
      return Goal.divergence(targets.divergence);
    }
    if (targets.speedup != null) {
      return Goal.speedup(targets.speedup, Phase.DECODE);
    }
    if (targets.prefillSpeedup != null) {
      return Goal.speedup(targets.prefillSpeedup, Phase.PREFILL);
    }
    return targets.acceptance != null
        ? Goal.acceptance(targets.acceptance)
        : Goal.perplexityRatio(targets.perplexity);
  }

  private LevelDatabase store(CompressionRequest request, Checkpoint source, Console console) {
    if (database.isEmpty()) {
      var specs = names.isEmpty() ? LevelSpec.usual(request.target()) : LevelSpec.all(names);
      return TargetedCompression.levels(request, source, specs, console.progress(), console::say);
    }
    if (!names.isEmpty() || keep) {
      throw new LatheException(
          "--levels and --keep-levels are for levels that are made first; 'lathe search' adds levels"
              + " to a --levels-db");
    }
    var open = LevelDatabase.open(database.get(), source);
    if (!open.target().equals(request.target())) {
      var held = open.target().name();
      open.close();
      throw new LatheException(
          "the levels of %s are for %s, and %s is to be %s"
              .formatted(database.get(), held, request.artifact(), request.target().name()));
    }
    return open;
  }

  private Measure measure(LevelTable table) {
    if (measure.isPresent()) {
      var names = Arrays.stream(Measure.values()).map(TargetOptions::name).toList();
      int index = names.indexOf(measure.get());
      if (index < 0) {
        throw LatheException.unknown("measure", measure.get(), names);
      }
      return Measure.values()[index];
    }
    return MEASURES.stream()
        .filter(one -> taken(table, one))
        .findFirst()
        .orElse(MEASURES.getLast());
  }

  private static String name(Measure measure) {
    return measure.name().toLowerCase(Locale.ROOT);
  }

  private static boolean taken(LevelTable table, Measure measure) {
    return table.units().stream()
        .flatMap(unit -> unit.options().stream())
        .allMatch(option -> option.losses().containsKey(measure));
  }
}
