package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.pruning.Candidate;
import ai.lathe.compress.pruning.Constant;
import ai.lathe.compress.pruning.Kept;
import ai.lathe.compress.pruning.Pruners;
import ai.lathe.compress.pruning.PruningMethod;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.quantization.ColumnOrder;
import ai.lathe.compress.quantization.Gptq;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.recipe.Modifier.Pruning;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** Which matrices of blocks a recipe prunes, and with what share of zeros each. */
final class PruningPlan {

  /** A share of zeros that no dense model has by chance. */
  private static final double SPARSE = 0.01;

  /**
   * @param step whose method prunes the matrix
   */
  private record Asked(Pruning step, Sparsity sparsity) {}

  private final Checkpoint model;
  private final Target target;
  private final DType half;
  private final Consumer<String> notes;
  private final Map<Address, Asked> asked = new HashMap<>();
  private final Map<Address, String> refused = new HashMap<>();

  /**
   * @param slots every matrix of the model
   * @param half type of weights that are not rounded
   * @param notes takes what the recipe did not ask for by name
   */
  PruningPlan(
      Checkpoint model,
      Recipe recipe,
      Target target,
      DType half,
      List<Slot> slots,
      Consumer<String> notes) {
    this.model = model;
    this.target = target;
    this.half = half;
    this.notes = notes;
    var steps =
        recipe.modifiers().stream()
            .filter(Pruning.class::isInstance)
            .map(Pruning.class::cast)
            .toList();
    var bySparsity = new LinkedHashMap<Asked, List<Slot>>();
    for (var slot : slots) {
      steps.stream()
          .filter(step -> !slot.outside() && step.prunes(slot.name(), slot.moduleClass()))
          .findFirst()
          .ifPresent(
              step ->
                  bySparsity
                      .computeIfAbsent(
                          new Asked(step, sparsity(step, slot)), _ -> new ArrayList<>())
                      .add(slot));
    }
    bySparsity.forEach((all, matrices) -> share(all, Pruners.named(all.step().method()), matrices));
    if (!steps.isEmpty() && asked.isEmpty()) {
      throw new LatheException(
          refused.isEmpty()
              ? "the recipe's targets match no layer to prune"
              : "no layer of this model can be pruned so: " + refused.values().iterator().next());
    }
    sparseBefore(slots).ifPresent(notes);
  }

  private Sparsity sparsity(Pruning step, Slot slot) {
    int given = step.sparsities().size();
    if (given != 1 && given != model.config().blocks()) {
      throw new LatheException(
          "%d sparsities are given for %d blocks: give one, or one for each block"
              .formatted(given, model.config().blocks()));
    }
    return step.sparsity(slot.address().block());
  }

  /** Gives each matrix its part of a sparsity that is asked of all. */
  private <C extends SolverConfig> void share(
      Asked all, PruningMethod<C> method, List<Slot> matrices) {
    var sparsity = all.sparsity();
    var config = method.config(sparsity, new Kept.Plain(half), all.step().settings());
    var fitting = new ArrayList<Slot>();
    for (var slot : matrices) {
      var refusal = method.refusal(slot.rows(), slot.columns(), config);
      if (refusal.isPresent()) {
        refused.put(slot.address(), refusal.get());
      } else {
        fitting.add(slot);
      }
    }
    if (fitting.isEmpty()) {
      return;
    }
    var shares = method.shares(fitting.stream().map(this::candidate).toList(), sparsity, config);
    for (int i = 0; i < fitting.size(); i++) {
      var own = new Sparsity(shares.get(i), sparsity.pattern());
      asked.put(fitting.get(i).address(), new Asked(all.step(), own));
    }
  }

  private Candidate candidate(Slot slot) {
    return new Candidate() {
      @Override
      public int rows() {
        return slot.rows();
      }

      @Override
      public int columns() {
        return slot.columns();
      }

      @Override
      public Matrix weight() {
        var weight = model.matrix(slot.address()).decode();
        model.release(slot.address().block());
        return weight;
      }
    };
  }

  /** Looks at the first matrix alone, as a model is sparse in all or none. */
  private Optional<String> sparseBefore(List<Slot> slots) {
    var first = slots.stream().filter(slot -> asked.containsKey(slot.address())).findFirst();
    if (first.isEmpty() || asked.get(first.get().address()).step().method().equals(Constant.NAME)) {
      return Optional.empty();
    }
    var stored = model.matrix(first.get().address());
    if (!(stored.encoding() instanceof Encoding.Plain)
        && !(stored.encoding() instanceof Encoding.Sparse)) {
      return Optional.empty();
    }
    long zeros = 0;
    var weight = stored.decode();
    for (float value : weight.values()) {
      zeros += value == 0 ? 1 : 0;
    }
    double share = (double) zeros / weight.values().length;
    return share < SPARSE
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "the model is sparse already (%.1f %% of %s is zero): its zeros stay, and count",
                100 * share,
                first.get().name()));
  }

  boolean prunes(Slot slot) {
    return asked.containsKey(slot.address());
  }

  /** Why a matrix that the recipe prunes stays dense; empty where it does not. */
  Optional<String> refusal(Slot slot) {
    return Optional.ofNullable(refused.get(slot.address()));
  }

  /**
   * Of a matrix that is pruned; empty for others.
   *
   * @param grid that the weights that stay are rounded to
   */
  Optional<Plan.Entry> entry(Slot slot, Optional<Grid> grid, Optional<Quantization> quantization) {
    if (!asked.containsKey(slot.address())) {
      return sparse(slot, grid, quantization);
    }
    var own = asked.get(slot.address());
    var kept = kept(grid, quantization);
    return Optional.of(
        entry(
            slot, Pruners.named(own.step().method()), own.sparsity(), kept, own.step().settings()));
  }

  /** Of a matrix that is stored sparsely, which it stays. */
  private Optional<Plan.Entry> sparse(
      Slot slot, Optional<Grid> grid, Optional<Quantization> quantization) {
    if (slot.outside()
        || !(model.matrix(slot.address()).encoding()
            instanceof Encoding.Sparse(Pattern pattern, double share, Encoding values))) {
      return Optional.empty();
    }
    boolean asItIs =
        grid.isEmpty() && (!(values instanceof Encoding.Plain(DType type)) || type == half);
    if (asItIs) {
      return Optional.empty();
    }
    long weights = (long) slot.rows() * slot.columns();
    var sparsity = new Sparsity(Math.min(share, 1 - 1.0 / weights), pattern);
    return Optional.of(
        entry(slot, Pruners.named(Constant.NAME), sparsity, kept(grid, quantization), Map.of()));
  }

  private <C extends SolverConfig> Plan.Entry entry(
      Slot slot,
      PruningMethod<C> method,
      Sparsity sparsity,
      Kept kept,
      Map<String, Object> settings) {
    var config = method.config(sparsity, kept, settings);
    var encoding = held(method.encoding(config, slot.rows(), slot.columns()), slot);
    var grid =
        kept instanceof Kept.Rounded(var levels, _) ? Optional.of(levels) : Optional.<Grid>empty();
    return slot.solved(encoding, new Level<>(method, config), grid, Optional.empty());
  }

  /** With its zeros written out where this kind of file has no sparse weights. */
  private Encoding held(Encoding encoding, Slot slot) {
    if (encoding instanceof Encoding.Sum || encoding instanceof Encoding.Product) {
      target.require(encoding);
    }
    if (encoding instanceof Encoding.Blocked(BlockType type) && !type.holdsZero()) {
      notes.accept(
          "%s cannot hold zero exactly: pruned weights become small numbers"
              .formatted(type.name()));
    }
    if (!(encoding instanceof Encoding.Sparse sparse)) {
      return encoding;
    }
    boolean holds =
        target.holds(encoding)
            && (!(target instanceof Target.Directory(QuantizationFormat format))
                || format.refusal(encoding, slot.rows(), slot.columns()).isEmpty());
    if (holds) {
      return encoding;
    }
    notes.accept(
        "%s has no place for sparse weights of %s: their zeros are written out"
            .formatted(target.name(), sparse.values().label()));
    return sparse.values();
  }

  private Kept kept(Optional<Grid> grid, Optional<Quantization> quantization) {
    if (grid.isEmpty()) {
      return new Kept.Plain(half);
    }
    var levels = grid.get();
    var settings = quantization.orElseThrow().settings();
    if (levels.encoding().activations().calibrated()) {
      throw new LatheException(
          "a sparse weight stores no scale of its input: take dynamic scales beside pruning");
    }
    return switch (quantization.get().method()) {
      case "rtn" -> {
        if (new Rtn().config(levels, settings).importance()) {
          throw new LatheException(
              "an importance matrix does not go together with pruning; leave it out");
        }
        yield new Kept.Rounded(levels, Optional.empty());
      }
      case "gptq" -> {
        var config = new Gptq().config(levels, settings);
        if (config.order() == ColumnOrder.GROUP) {
          throw new LatheException(
              "regrouped inputs cannot be stored sparsely: take actorder 'static' beside pruning");
        }
        yield new Kept.Rounded(levels, Optional.of(config));
      }
      case String other ->
          throw new LatheException(
              "%s does not round what pruning leaves; rtn and gptq do".formatted(other));
    };
  }
}
