package ai.lathe.compress.plan;

import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.recipe.Modifier.Factorization;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/** Which matrices of blocks a recipe factorizes. */
final class FactorizationPlan {

  private final Checkpoint model;
  private final List<Factorization> steps;
  private final Target target;
  private final DType half;
  private final List<Slot> slots;
  private final Function<Slot, Optional<Scheme>> schemes;
  private final Consumer<String> notes;

  /**
   * @param half type of factors that are not rounded
   * @param slots all matrices, of which some may share what they store
   * @param schemes that they are rounded to
   * @param notes takes what the recipe did not ask for by name
   */
  FactorizationPlan(
      Checkpoint model,
      Recipe recipe,
      Target target,
      DType half,
      List<Slot> slots,
      Function<Slot, Optional<Scheme>> schemes,
      Consumer<String> notes) {
    this.model = model;
    this.steps =
        recipe.modifiers().stream()
            .filter(Factorization.class::isInstance)
            .map(Factorization.class::cast)
            .toList();
    this.target = target;
    this.half = half;
    this.slots = slots;
    this.schemes = schemes;
    this.notes = notes;
  }

  /** The step that a matrix is factorized by; empty for others. */
  Optional<Factorization> step(Slot slot) {
    return slot.outside()
        ? Optional.empty()
        : steps.stream()
            .filter(step -> step.factorizes(slot.name(), slot.moduleClass()))
            .findFirst();
  }

  /**
   * Of a matrix that is factorized.
   *
   * @param scheme that its factors are rounded to
   * @param otherwise what it is where it cannot be factorized
   */
  Plan.Entry entry(Slot slot, Factorization step, Optional<Scheme> scheme, Plan.Entry otherwise) {
    return entry(slot, step, scheme, otherwise, Factorizations.named(step.method()));
  }

  private <C extends SolverConfig> Plan.Entry entry(
      Slot slot,
      Factorization step,
      Optional<Scheme> scheme,
      Plan.Entry otherwise,
      FactorizationMethod<C> method) {
    var layers = sharing(slot, step, scheme, method.group(step.settings()));
    var alone = method.config(step.removed(), factors(scheme), step.settings());
    var asked =
        layers.size() > 1 ? method.sharing(alone, layers, layers.indexOf(slot.name())) : alone;
    if (layers.size() > 1 && scheme.isPresent()) {
      notes.accept("what several layers share is rounded to nearest");
    }
    var unplaced =
        asked.shiftsBias()
            ? BiasPlaces.refusal(model, target, slot.address(), slot.name())
            : Optional.<String>empty();
    var config = unplaced.isPresent() ? method.withoutBias(asked) : asked;
    var refusal = method.refusal(slot.rows(), slot.columns(), config);
    if (refusal.isPresent()) {
      return otherwise.because("not factorized: " + refusal.get());
    }
    var product = method.encoding(config, slot.rows(), slot.columns());
    if (target instanceof Target.Directory(QuantizationFormat format)) {
      target.require(product);
      var unfit = format.refusal(product, slot.rows(), slot.columns());
      if (unfit.isPresent()) {
        return otherwise.because("not factorized: " + unfit.get());
      }
    }
    return slot.solved(
        held(product),
        new Level<>(method, config),
        Optional.empty(),
        unplaced.map(why -> why + ": inputs are taken with their mean, as svd-llm does"));
  }

  /** Matrices of one kind and shape in neighbouring blocks that are to be stored alike. */
  private List<String> sharing(Slot slot, Factorization step, Optional<Scheme> scheme, int group) {
    if (group == 1) {
      return List.of(slot.name());
    }
    var own = slot.address();
    return slots.stream()
        .filter(
            other ->
                !other.outside()
                    && other.address().role() == own.role()
                    && other.address().expert() == own.expert()
                    && other.address().block() / group == own.block() / group
                    && other.rows() == slot.rows()
                    && other.columns() == slot.columns()
                    && step(other).filter(step::equals).isPresent()
                    && schemes.apply(other).equals(scheme))
        .map(Slot::name)
        .toList();
  }

  /** Multiplied out where this kind of file has no products. */
  private Encoding held(Encoding product) {
    if (target.holds(product)) {
      return product;
    }
    notes.accept(
        "%s has no place for products of matrices: they are multiplied out, which saves no bytes"
            .formatted(target.name()));
    return new Encoding.Plain(half);
  }

  private Factors factors(Optional<Scheme> scheme) {
    return scheme
        .map(
            given -> {
              if (given instanceof Scheme.Integers(var codes)) {
                return new Factors(half, Optional.of(codes));
              }
              throw new LatheException(
                  "factors are stored as numbers or in integer codes (W8A16, W4A16), not as "
                      + given.label());
            })
        .orElseGet(() -> Factors.plain(half));
  }
}
