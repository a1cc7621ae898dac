package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * EvoPress (<a href="https://arxiv.org/abs/2410.14649">Sieberling et al. 2024</a>): an evolutionary
 * search on what the whole model loses. A parent has offspring by level switches; a selection in
 * stages, on ever more text, leaves one of them and the parent.
 *
 * <p>Two things differ from the paper unless settings say otherwise. The text of the last stage is
 * the same in all generations: the parent's loss on it is known, so it never gets worse, and no
 * start is ever lost. And the search may begin with the knapsack's allocation, where that is the
 * better start.
 *
 * @param minutes that the search may take, about, where no plan is given
 * @param plan what is measured; the same one with the same seed finds the same, bit for bit
 * @param start where it begins
 * @param anySizes units of different costs may be switched too
 * @param fresh the last stage has new text in each generation, as in the paper; the starts and what
 *     was found are compared on one text at the end
 * @param roundings random mixtures of two neighbouring levels of which the best is a start, where
 *     the budget lies between levels
 * @param journal file of finished generations, with which a search that was interrupted goes on;
 *     that of another search is overwritten
 */
public record EvoPress(
    double minutes,
    Optional<SearchPlan> plan,
    Start start,
    boolean anySizes,
    boolean fresh,
    int roundings,
    Optional<Path> journal)
    implements Allocator {

  /** Where the search begins. */
  public enum Start {
    /** One level for all, or the best random mixture of two. */
    UNIFORM,
    /** The least sum of losses. */
    KNAPSACK,
    /** Whichever of these is the better one on the last stage's text. */
    BEST
  }

  /** Which units are switched with each other. */
  private enum Sizes {
    EQUAL,
    ANY
  }

  private static final String GENERATIONS = "generations";
  private static final String OFFSPRING = "offspring";
  private static final String SURVIVORS = "survivors";
  private static final String TOKENS = "tokens";

  /** The settings of a plan: where one is given, the others are the paper's. */
  private static final List<String> PLAN = List.of(GENERATIONS, OFFSPRING, SURVIVORS, TOKENS);

  static final List<String> KEYS =
      List.of(
          "minutes",
          GENERATIONS,
          OFFSPRING,
          SURVIVORS,
          TOKENS,
          "start",
          "sizes",
          "fresh",
          "roundings",
          "journal");

  public static final double USUAL_MINUTES = 10;
  private static final int USUAL_ROUNDINGS = 32;

  public EvoPress {
    if (!(minutes > 0)) {
      throw new LatheException("evopress's minutes are above 0, not " + minutes);
    }
    if (roundings < 0) {
      throw new LatheException("evopress's roundings are not negative");
    }
  }

  /** For so long, with everything else as usual. */
  public static EvoPress within(double minutes) {
    return new EvoPress(
        minutes, Optional.empty(), Start.BEST, false, false, USUAL_ROUNDINGS, Optional.empty());
  }

  /** By a plan, with everything else as usual. */
  public static EvoPress of(SearchPlan plan) {
    return new EvoPress(
        USUAL_MINUTES,
        Optional.of(plan),
        Start.BEST,
        false,
        false,
        USUAL_ROUNDINGS,
        Optional.empty());
  }

  public EvoPress from(Start other) {
    return new EvoPress(minutes, plan, other, anySizes, fresh, roundings, journal);
  }

  public EvoPress withAnySizes() {
    return new EvoPress(minutes, plan, start, true, fresh, roundings, journal);
  }

  public EvoPress withFreshText() {
    return new EvoPress(minutes, plan, start, anySizes, true, roundings, journal);
  }

  public EvoPress journaledIn(Path file) {
    return new EvoPress(minutes, plan, start, anySizes, fresh, roundings, Optional.of(file));
  }

  /** Settings that find the same as these with a plan that was made of their time. */
  String with(SearchPlan made) {
    return "%s,start=%s,sizes=%s,fresh=%s,roundings=%d"
        .formatted(
            made,
            start.name().toLowerCase(Locale.ROOT),
            (anySizes ? Sizes.ANY : Sizes.EQUAL).name().toLowerCase(Locale.ROOT),
            fresh,
            roundings);
  }

  static EvoPress read(Settings given) {
    boolean planned = PLAN.stream().anyMatch(name -> !given.text(name, "").isEmpty());
    var paper = SearchPlan.PAPER;
    var plan =
        new SearchPlan(
            given.integer(GENERATIONS, paper.generations()),
            given.integer(OFFSPRING, paper.offspring()),
            SearchPlan.stages(
                given.text(SURVIVORS, paper.survivors()), given.text(TOKENS, paper.tokens())));
    var file = given.text("journal", "");
    return new EvoPress(
        given.number("minutes", USUAL_MINUTES),
        planned ? Optional.of(plan) : Optional.empty(),
        given.choice("start", Start.BEST),
        given.choice("sizes", Sizes.EQUAL) == Sizes.ANY,
        given.flag("fresh", false),
        given.integer("roundings", USUAL_ROUNDINGS),
        file.isEmpty() ? Optional.empty() : Optional.of(Path.of(file)));
  }

  @Override
  public String name() {
    return "evopress";
  }

  @Override
  public boolean searches() {
    return true;
  }

  @Override
  public Result allocate(Problem problem) {
    problem.requireFeasible();
    return new Evolution(this, problem, Search.fitness(problem, this)).run();
  }
}
