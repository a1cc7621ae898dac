package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Budget;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** Turns what the user asks for into the choice that comes nearest without exceeding it. */
public final class Budgets {

  /**
   * Of the artifact: a smaller one by more than this loses too much on the text that is searched
   * on.
   */
  private static final double TOLERANCE = 0.005;

  private final Goal goal;
  private final String database;
  private final List<Candidate> candidates;

  /**
   * @param chooser of levels for artifacts whose matrices outside blocks are stored in one way
   * @param least bits per weight of the units for which that way is meant
   */
  public record Candidate(Chooser chooser, double least) {}

  /**
   * @param database of levels, as people call it
   * @param candidates in descending order of bits, the last for units of any
   */
  public Budgets(Goal goal, String database, List<Candidate> candidates) {
    this.goal = goal;
    this.database = database;
    this.candidates = List.copyOf(candidates);
  }

  /** The chooser of artifacts whose units have about so many bits per weight. */
  public Chooser chooser(double bits) {
    return candidates.stream()
        .filter(candidate -> bits >= candidate.least())
        .findFirst()
        .orElse(candidates.getLast())
        .chooser();
  }

  /** The chooser of artifacts with the fewest bytes outside of their units. */
  public Chooser leanest() {
    return candidates.getLast().chooser();
  }

  /** Throws where the cheapest levels have more. */
  public Choice within(Budget.BitsPerWeight target) {
    var chooser = chooser(target.bits());
    long weights = chooser.mixture().table().weights();
    long budget = (long) Math.floor(target.bits() * weights / 8);
    var bytes = chooser.mixture().table().bytes();
    long least = chooser.smallest().cost(bytes);
    if (least > budget) {
      throw goal.unreachable(
          database, 8.0 * least / weights, 8.0 * chooser.original().cost(bytes) / weights);
    }
    return chooser.withinBytes(budget);
  }

  /** Throws where the cheapest levels make a larger artifact. */
  public Choice within(Budget.Size target) {
    for (var candidate : candidates) {
      var chooser = candidate.chooser();
      var smallest = chooser.smallest();
      long left = target.bytes() - chooser.mixture().overhead(smallest);
      boolean meant = 8.0 * left / chooser.mixture().table().weights() >= candidate.least();
      if (meant && chooser.mixture().artifactBytes(smallest) <= target.bytes()) {
        return chooser.withinArtifact(target.bytes());
      }
    }
    var least = candidates.getLast().chooser();
    var most = candidates.getFirst().chooser();
    throw goal.unreachable(
        database,
        least.mixture().artifactBytes(least.smallest()),
        most.mixture().artifactBytes(most.original()));
  }

  /**
   * The smallest artifact whose loss is within a limit.
   *
   * @param gauge measures on text to search on
   * @param judge measures what was written and opened again
   * @param told a loss as the goal speaks of it
   */
  public Choice smallest(
      double limit,
      ToDoubleFunction<Choice> gauge,
      ToDoubleFunction<Choice> judge,
      java.util.function.DoubleUnaryOperator told) {
    Optional<Choice> best = Optional.empty();
    SmallestChoice searched = null;
    for (int i = candidates.size() - 1; i >= 0; i--) {
      var chooser = candidates.get(i).chooser();
      boolean worthwhile = best.isEmpty() || bits(best.get(), chooser) >= candidates.get(i).least();
      if (!worthwhile) {
        break;
      }
      var bytes = chooser.mixture().table().bytes();
      searched =
          new SmallestChoice(
              chooser::withinBytes,
              gauge,
              chooser.smallest().cost(bytes),
              chooser.original().cost(bytes),
              TOLERANCE);
      var found = new FaithfulSearch(searched, judge).search(limit);
      if (found.isPresent()
          && (best.isEmpty() || found.get().artifactBytes() < best.get().artifactBytes())) {
        best = found;
      }
    }
    if (best.isEmpty()) {
      throw goal.unreachable(
          database,
          told.applyAsDouble(searched.largest().loss()),
          told.applyAsDouble(searched.smallest().loss()));
    }
    return best.get();
  }

  private static double bits(Choice choice, Chooser chooser) {
    return 8.0 * choice.bytes() / chooser.mixture().table().weights();
  }
}
