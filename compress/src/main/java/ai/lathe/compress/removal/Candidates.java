package ai.lathe.compress.removal;

import ai.lathe.compress.factorization.FactorizationMethod;
import ai.lathe.compress.factorization.Factorizations;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Modifier;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Levels that an allocation may give to each matrix: those removals of a grid, with those settings
 * of the method, that its shape and the artifact allow.
 */
final class Candidates {

  private final FactorizationMethod<?> method;
  private final Target target;
  private final Map<Address, Plan.Entry> originals = new LinkedHashMap<>();
  private final Map<Address, List<Candidate>> candidates = new LinkedHashMap<>();

  /**
   * @param entry as a plan of this level alone has it
   */
  record Candidate(double removed, Map<String, Object> settings, Plan.Entry entry) {}

  /**
   * @param step of the recipe, whose matrices these are
   */
  Candidates(Checkpoint model, Recipe recipe, Modifier.Factorization step, Target target) {
    this.method = Factorizations.named(step.method());
    this.target = target;
    for (double removed : Removal.GRID) {
      for (var settings : method.alternatives(step.settings())) {
        var level =
            new Modifier.Factorization(
                step.method(), new Removal(removed), step.targets(), step.ignore(), settings);
        for (var entry : entries(model, recipe, level, target)) {
          if (isOf(entry)) {
            candidates
                .computeIfAbsent(entry.address(), _ -> new ArrayList<>())
                .add(new Candidate(removed, settings, entry));
          }
        }
      }
    }
    for (var entry : Planner.entries(model, beside(recipe, List.of()), target)) {
      if (candidates.containsKey(entry.address())) {
        originals.put(entry.address(), entry);
      }
    }
  }

  private static List<Plan.Entry> entries(
      Checkpoint model, Recipe recipe, Modifier.Factorization level, Target target) {
    return Planner.entries(model, beside(recipe, List.of(level)), target);
  }

  /** With the recipe's schemes, and nothing else of it. */
  private static Recipe beside(Recipe recipe, List<Modifier> first) {
    var modifiers = new ArrayList<>(first);
    recipe.modifiers().stream()
        .filter(Modifier.Quantization.class::isInstance)
        .forEach(modifiers::add);
    return new Recipe(modifiers);
  }

  private boolean isOf(Plan.Entry entry) {
    return entry
        .level()
        .map(Level::solver)
        .filter(solver -> solver.getClass() == method.getClass())
        .isPresent();
  }

  FactorizationMethod<?> method() {
    return method;
  }

  /** Matrices that have any, as they are without one. */
  List<Plan.Entry> originals() {
    return List.copyOf(originals.values());
  }

  List<Candidate> of(Address address) {
    return candidates.get(address);
  }

  /** Exact bytes of the tensors that will hold a matrix. */
  long bytes(Plan.Entry entry) {
    return target.bytes(entry.encoding(), entry.rows(), entry.columns());
  }

  /** Operations that a matrix takes to profile, about. */
  double work(Plan.Entry original) {
    double side = Math.min(original.rows(), original.columns());
    // Products in float64 take twice as long as the others.
    return 4.0 * of(original.address()).size() * original.weights() * side;
  }

  /** What decides a profile, as a text. */
  String text() {
    var text = new StringBuilder();
    candidates.forEach(
        (address, all) -> {
          text.append(address).append('\n');
          all.forEach(
              one ->
                  text.append(one.entry().level().orElseThrow().config())
                      .append(one.entry().encoding().label())
                      .append('\n'));
        });
    return text.toString();
  }
}
