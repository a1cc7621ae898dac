package ai.lathe.compress;

import ai.lathe.compress.factorization.module.ModeGpt;
import ai.lathe.compress.factorization.module.Narrowing;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.WidthsReport;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The part of a recipe that makes blocks narrower. It runs before the others are planned; to them
 * the model is one whose blocks are as narrow already.
 */
final class BlockNarrowing {

  /** The virtual machine, LibTorch and their buffers, and a batch on its way through a block. */
  private static final long BASE_MEMORY = 1L << 30;

  private final Recipe recipe;
  private final Factorization step;
  private final ModeGpt method;

  private BlockNarrowing(Recipe recipe, Factorization step) {
    this.recipe = recipe;
    this.step = step;
    this.method = ModeGpt.of(step.removed(), step.settings());
  }

  /** Empty where a recipe leaves widths alone. */
  static Optional<BlockNarrowing> of(Recipe recipe) {
    var steps =
        recipe.modifiers().stream()
            .filter(Factorization.class::isInstance)
            .map(Factorization.class::cast)
            .filter(step -> step.method().equals(ModeGpt.NAME))
            .toList();
    if (steps.size() > 1) {
      throw new LatheException(
          "a recipe narrows blocks once: %s stands in it twice".formatted(ModeGpt.NAME));
    }
    return steps.stream().findFirst().map(step -> new BlockNarrowing(recipe, step));
  }

  /** What is left to do once blocks are narrower. */
  Recipe afterwards() {
    return new Recipe(recipe.modifiers().stream().filter(modifier -> modifier != step).toList());
  }

  /** The plan for what is left: matrices that nothing else is asked of are stored as they are. */
  static Plan plan(Checkpoint model, Recipe left, Target target) {
    return left.modifiers().isEmpty()
        ? Planner.original(model, target)
        : Planner.plan(model, left, target);
  }

  /** Throws where this cannot end well, before anything is computed. */
  void require(Checkpoint source, Target target) {
    method.require(source);
    if (target == Target.GGUF && method.modules() != ModeGpt.Modules.MLP) {
      throw new LatheException(
          "a GGUF file has no place for heads that are smaller in one block than in another: name a"
              + " directory, or narrow the feed-forward alone with --factor-option modules=mlp");
    }
    plan(source, afterwards(), target);
  }

  Narrowing run(
      Checkpoint source,
      List<int[]> sequences,
      CompressionRequest request,
      Progress progress,
      Consumer<String> messages) {
    var directory = Narrowing.directoryFor(request.artifact());
    int hidden = source.config().hidden();
    long states = HiddenStates.bytes(sequences, hidden);
    long needed =
        BASE_MEMORY
            + Narrowing.bytes(source, method)
            + (states > Executor.STATES_IN_MEMORY ? 0 : states);
    long free = Machine.availableMemory();
    if (needed > free) {
      throw new LatheException(
          String.format(
              Locale.ROOT,
              "narrowing the widest block needs about %.1f GB of memory and %.1f GB are free",
              needed / 1e9,
              free / 1e9));
    }
    messages.accept(
        String.format(
            Locale.ROOT, "estimate of %s: %.1f GB of memory", ModeGpt.NAME, needed / 1e9));
    var narrowing =
        Narrowing.of(
            source,
            new Narrowing.Request(
                method,
                sequences,
                () ->
                    Executor.states(
                        source, sequences, request.artifact().toAbsolutePath().getParent()),
                directory,
                request.resume()),
            progress,
            messages);
    messages.accept(
        String.format(
            Locale.ROOT,
            "note: %s removed %.2f %% of the weights of blocks",
            ModeGpt.NAME,
            100 * narrowing.removed()));
    return narrowing;
  }

  WidthsReport report(Narrowing narrowing) {
    return new WidthsReport(
        ModeGpt.NAME,
        method.removed().share(),
        narrowing.removed(),
        narrowing.blocks().stream()
            .map(
                block ->
                    new WidthsReport.Block(
                        block.influence(),
                        block.whole(),
                        block.widths(),
                        block.weights(),
                        block.removed()))
            .toList());
  }
}
