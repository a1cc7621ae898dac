package ai.lathe.compress.plan;

import ai.lathe.compress.compensation.Compensation;
import ai.lathe.compress.factorization.Factors;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.model.Address;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** Entries of a plan with a matrix of low rank beside what is compressed. */
final class Compensated {

  private Compensated() {}

  /**
   * The entry with what the recipe puts beside it; itself where that is nothing, or where nothing
   * is lost. Outside blocks there is no input to calibrate on, and nothing is put beside.
   *
   * @param half type of the factors
   */
  static Plan.Entry of(
      Plan.Entry entry, Recipe recipe, String moduleClass, Target target, DType half) {
    if (entry.level().isEmpty() || entry.address().block() == Address.OUTSIDE) {
      return entry;
    }
    return steps(recipe)
        .filter(step -> step.compensates(entry.name(), moduleClass))
        .findFirst()
        .map(step -> of(entry, step, target, half))
        .orElse(entry);
  }

  private static Plan.Entry of(
      Plan.Entry entry, Modifier.Compensation step, Target target, DType half) {
    Compensation.requireRank(step.rank());
    var refusal = Compensation.refusal(entry.rows(), entry.columns(), step.rank());
    if (refusal.isPresent()) {
      return entry.because("nothing put beside it: " + refusal.get());
    }
    var factors = Factors.of(half, step.bits());
    var encoding = Compensation.encoding(entry.encoding(), entry.columns(), step.rank(), factors);
    target.require(encoding);
    if (target instanceof Target.Directory(QuantizationFormat format)) {
      var unfit = format.refusal(encoding, entry.rows(), entry.columns());
      if (unfit.isPresent()) {
        return entry.because("nothing put beside it: " + unfit.get());
      }
    }
    var config =
        new Compensation.Config(entry.level().orElseThrow(), step.method(), step.rank(), factors);
    return new Plan.Entry(
        entry.address(),
        entry.name(),
        entry.rows(),
        entry.columns(),
        encoding,
        Optional.of(new Level<>(new Compensation(), config)),
        entry.grid(),
        entry.fallback());
  }

  /** A recipe that compensates must have something to compensate. */
  static void requireAny(List<Plan.Entry> entries, Recipe recipe) {
    if (steps(recipe).findAny().isEmpty()
        || entries.stream()
            .flatMap(entry -> entry.level().stream())
            .anyMatch(level -> level.solver() instanceof Compensation)) {
      return;
    }
    var why = entries.stream().flatMap(entry -> entry.fallback().stream()).findFirst();
    throw new LatheException(
        "there is nothing to compensate"
            + why.map(first -> ": " + first)
                .orElse(
                    ": no matrix of a block is compressed, or the targets match none; give a --scheme or --prune"));
  }

  private static Stream<Modifier.Compensation> steps(Recipe recipe) {
    return recipe.modifiers().stream()
        .filter(Modifier.Compensation.class::isInstance)
        .map(Modifier.Compensation.class::cast);
  }
}
