package ai.lathe.compress.removal;

import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.plan.Estimate;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.format.compressed.Selector;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.linalg.Parallel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A step of a recipe that removes a share of all its layers together: what layers lose is profiled
 * before anything is written, and the step becomes as many as there are levels chosen, with the
 * names of their layers as targets.
 */
public final class SharedRemoval {

  private final Recipe recipe;
  private final Factorization step;
  private final RemovalKnapsack how;

  private SharedRemoval(Recipe recipe, Factorization step) {
    this.recipe = recipe;
    this.step = step;
    this.how = step.knapsack().orElseThrow();
    if (Factorizations.named(step.method()).group(step.settings()) > 1) {
      throw new LatheException(
          "an allocator gives each layer its own share, and layers with one dictionary have the same:"
              + " take --allocator uniform, or group=1");
    }
    if (step.removed().share() == 0) {
      throw new LatheException("an allocator has a share of parameters to remove, above 0");
    }
  }

  /**
   * What it came to.
   *
   * @param recipe with a level for each layer
   * @param notes for people, a line each
   */
  public record Outcome(Recipe recipe, AllocationReport report, List<String> notes) {}

  /** Empty where a recipe has none. */
  public static Optional<SharedRemoval> of(Recipe recipe) {
    var steps =
        recipe.modifiers().stream()
            .filter(Factorization.class::isInstance)
            .map(Factorization.class::cast)
            .filter(step -> step.knapsack().isPresent())
            .toList();
    if (steps.size() > 1) {
      throw new LatheException(
          "a recipe has one factorization whose share an allocator spreads, not %d"
              .formatted(steps.size()));
    }
    return steps.stream().findFirst().map(step -> new SharedRemoval(recipe, step));
  }

  /** The same share of each layer: for a plan that tells whether the rest can be done at all. */
  public Recipe uniform() {
    return with(
        List.of(
            new Factorization(
                step.method(), step.removed(), step.targets(), step.ignore(), step.settings())));
  }

  private Recipe with(List<Factorization> instead) {
    var modifiers = new ArrayList<Modifier>();
    for (var modifier : recipe.modifiers()) {
      if (modifier == step) {
        modifiers.addAll(instead);
      } else {
        modifiers.add(modifier);
      }
    }
    return new Recipe(modifiers);
  }

  /**
   * Profiles, and chooses.
   *
   * @param rehearsed the plan of {@link #uniform}
   * @param artifact that files stand beside until the run is over
   * @param resume go on with a profile that was interrupted
   */
  public Outcome run(
      Checkpoint source,
      Plan rehearsed,
      List<int[]> sequences,
      Path artifact,
      boolean resume,
      Progress progress,
      Consumer<String> messages) {
    var measured = measured(source);
    var candidates = new Candidates(source, recipe, step, rehearsed.target());
    estimate(source, rehearsed, candidates, sequences, artifact, messages);
    var fingerprint = fingerprint(source, candidates, measured.measure(), sequences);
    List<LayerProfile> layers;
    var file = fileFor(artifact);
    try (var journal =
        resume ? Journal.resume(file, fingerprint) : Journal.start(file, fingerprint)) {
      layers =
          new Profiler(
                  source, candidates, measured.measure(), sequences, fisherFor(artifact), progress)
              .run(journal, fingerprint);
    }
    var chosen = Apportionment.of(step.method(), step.removed(), measured, layers);
    var notes = new ArrayList<String>();
    if (!measured.equals(how)) {
      notes.add(
          "measure output instead of fisher: an encoder gives no tokens a probability that could be"
              + " differentiated");
    }
    notes.addAll(chosen.notes());
    return new Outcome(with(steps(chosen)), chosen.report(), notes);
  }

  private RemovalKnapsack measured(Checkpoint source) {
    boolean gradients = source.architecture().kind() == ModelKind.DECODER;
    return how.measure() == Measure.FISHER && !gradients
        ? new RemovalKnapsack(Measure.OUTPUT, how.cap())
        : how;
  }

  /** One for each level, in order of its first layer. */
  private List<Factorization> steps(Apportionment chosen) {
    var byLevel = new LinkedHashMap<String, List<Selector>>();
    var levels = new LinkedHashMap<String, LayerProfile.Option>();
    for (int i = 0; i < chosen.layers().size(); i++) {
      var choice = chosen.choices().get(i);
      if (choice.isPresent()) {
        var level = choice.get().level(step.method());
        levels.putIfAbsent(level, choice.get());
        byLevel
            .computeIfAbsent(level, _ -> new ArrayList<>())
            .add(Selector.of(chosen.layers().get(i).name(), "recipe"));
      }
    }
    var steps = new ArrayList<Factorization>();
    byLevel.forEach(
        (level, targets) ->
            steps.add(
                new Factorization(
                    step.method(),
                    new Removal(levels.get(level).removed()),
                    List.copyOf(targets),
                    List.of(),
                    Map.copyOf(levels.get(level).settings()))));
    return steps;
  }

  private Fingerprint fingerprint(
      Checkpoint source, Candidates candidates, Measure measure, List<int[]> sequences) {
    var parts = new LinkedHashMap<String, String>();
    parts.put("model", Fingerprint.of(source));
    parts.put("data", Fingerprint.of(sequences));
    parts.put("recipe", Fingerprint.ofText(candidates.text()));
    parts.put("measure", measure.name());
    return new Fingerprint(parts);
  }

  /** Throws where the machine has too little memory or disk. */
  private static void estimate(
      Checkpoint source,
      Plan rehearsed,
      Candidates candidates,
      List<int[]> sequences,
      Path artifact,
      Consumer<String> messages) {
    double rate = Machine.multiplyRate();
    var calibration = Estimate.of(rehearsed, source, sequences, 0, 0);
    double work = candidates.originals().stream().mapToDouble(candidates::work).sum();
    long most = candidates.originals().stream().mapToLong(SharedRemoval::doubles).max().orElse(0);
    var estimate =
        new Estimate(
            calibration.memory() + most,
            calibration.disk(),
            calibration.time().plus(Duration.ofMillis((long) (1000 * work / rate))));
    messages.accept("profile, " + estimate.summary());
    estimate.check(artifact);
  }

  /** Of float64 matrices: what all levels share, and what each thread has of one. */
  private static long doubles(Plan.Entry layer) {
    long side = Math.min(layer.rows(), layer.columns());
    long shared = 4 * layer.weights() + 2L * layer.rows() * layer.rows();
    long own = 5 * layer.rows() * side + 3 * side * side;
    return Double.BYTES * (shared + own * Parallel.threads());
  }

  /** The journal of an artifact's profile. */
  public static Path fileFor(Path artifact) {
    return Journal.fileFor(artifact.resolveSibling(artifact.getFileName() + ".profile"));
  }

  /** What gradients say of it. */
  public static Path fisherFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".profile.fisher.safetensors");
  }
}
