package ai.lathe.compress;

import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.pruning.Constant;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.pruning.fisher.GlobalMethod;
import ai.lathe.compress.pruning.fisher.GlobalMethods;
import ai.lathe.compress.pruning.fisher.ModelPruner;
import ai.lathe.compress.pruning.fisher.PrunedCheckpoint;
import ai.lathe.compress.recipe.Modifier.Pruning;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Progress;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The part of a recipe that prunes all layers together by their gradients. It runs before the
 * others are planned; to them the model is one that has zeros already.
 */
final class GlobalPruning {

  /** Of the memory that is free, this share is planned with. */
  private static final double FREE = 0.9;

  private final Recipe recipe;
  private final Pruning step;
  private final GlobalMethod method;

  private GlobalPruning(Recipe recipe, Pruning step) {
    this.recipe = recipe;
    this.step = step;
    if (step.sparsities().size() > 1) {
      throw new LatheException(
          step.method()
              + " finds out which block loses how much: give one sparsity, not one for each block");
    }
    this.method = GlobalMethods.named(step.method(), step.sparsities().getFirst(), step.settings());
  }

  /** Empty where a recipe has none. */
  static Optional<GlobalPruning> of(Recipe recipe) {
    var steps =
        recipe.modifiers().stream()
            .filter(Pruning.class::isInstance)
            .map(Pruning.class::cast)
            .filter(pruning -> GlobalMethods.names().contains(pruning.method()))
            .toList();
    if (steps.size() > 1) {
      throw new LatheException(
          "a recipe prunes all layers together once, not by %s and %s"
              .formatted(steps.get(0).method(), steps.get(1).method()));
    }
    return steps.stream().findFirst().map(step -> new GlobalPruning(recipe, step));
  }

  /** Sequences that its gradients take, at most. */
  int sequences() {
    return method.gathering().sequences();
  }

  /** What is left to do once the model is pruned: its zeros are kept. */
  Recipe afterwards() {
    var pattern = method.pattern();
    var sparsity =
        pattern instanceof Pattern.SemiStructured
            ? Sparsity.of(Optional.empty(), pattern)
            : new Sparsity(0, pattern);
    return with(Constant.NAME, sparsity);
  }

  /**
   * As many zeros of each matrix, for a plan that tells whether all the rest of the recipe can be
   * done, before hours are spent on the zeros.
   */
  Recipe rehearsal() {
    return with("magnitude", new Sparsity(method.sparsity(), method.pattern()));
  }

  private Recipe with(String name, Sparsity sparsity) {
    var instead = new Pruning(name, List.of(sparsity), step.targets(), step.ignore(), Map.of());
    return new Recipe(
        recipe.modifiers().stream()
            .map(modifier -> modifier == step ? instead : modifier)
            .toList());
  }

  /**
   * @param sequences for gradients
   */
  PrunedCheckpoint run(
      Checkpoint source,
      List<int[]> sequences,
      CompressionRequest request,
      Progress progress,
      Consumer<String> messages) {
    return ModelPruner.prune(
        source,
        new ModelPruner.Request(
            method,
            address -> prunes(source, address),
            sequences,
            request.seed(),
            (long) (FREE * Machine.availableMemory()),
            Machine.multiplyRate(),
            PrunedCheckpoint.fileFor(request.artifact()),
            request.resume()),
        progress,
        messages);
  }

  private boolean prunes(Checkpoint source, Address address) {
    var name = source.architecture().moduleName(address.block(), address.expert(), address.role());
    return step.prunes(name, "Linear");
  }
}
