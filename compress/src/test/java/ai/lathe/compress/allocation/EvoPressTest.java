package ai.lathe.compress.allocation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.compress.allocation.EvoPress.Start;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The search on losses that are known: sums over units, with noise that depends on the text. */
class EvoPressTest {

  private static final SearchPlan SMALL =
      new SearchPlan(
          60,
          24,
          List.of(
              new SearchPlan.Stage(8, 100),
              new SearchPlan.Stage(2, 400),
              new SearchPlan.Stage(1, 1600)));

  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void reachesTheOptimumOfAnAdditiveLoss(long seed) {
    var sizes = new long[] {10, 10, 10, 10, 10, 10};
    var toy = new Toy(seed, sizes, 0);
    var found = EvoPress.of(SMALL).allocate(toy.problem(seed));
    assertThat(found.loss()).isEqualTo(toy.least());
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void reachesItWithUnitsOfAnySize(long seed) {
    var sizes = new long[] {10, 30, 10, 25, 7, 18};
    var toy = new Toy(seed, sizes, 0);
    var found = EvoPress.of(SMALL).withAnySizes().allocate(toy.problem(seed));
    assertThat(found.loss()).isEqualTo(toy.least());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void nothingThatIsMeasuredCostsMoreThanTheBudget(boolean anySizes) {
    var toy = new Toy(7, new long[] {10, 10, 30, 30, 30, 20, 20, 20, 5, 5}, 0.5);
    var problem = toy.problem(7);
    var settings = EvoPress.of(SMALL);
    (anySizes ? settings.withAnySizes() : settings).allocate(problem);
    assertThat(toy.measured).hasSizeGreaterThan(1000).allMatch(problem::fits);
  }

  @Test
  void unitsOfEqualSizeKeepTheirSum() {
    var toy = new Toy(8, new long[] {10, 10, 10, 30, 30, 30}, 0.5);
    // Six units at the second level, and not a byte more.
    var problem = toy.problem(8, 2 * 120);
    EvoPress.of(SMALL).from(Start.UNIFORM).allocate(problem);
    assertThat(toy.measured)
        .hasSizeGreaterThan(100)
        .allMatch(
            allocation ->
                allocation.choices().subList(0, 3).stream().mapToInt(i -> i).sum() == 3
                    && allocation.choices().subList(3, 6).stream().mapToInt(i -> i).sum() == 3);
  }

  @Test
  void neverGetsWorseOnTheLastTextNorThanItsStarts() {
    var toy = new Toy(9, new long[] {10, 10, 10, 30, 30, 30, 20, 20}, 1);
    var problem = toy.problem(9);
    var found = EvoPress.of(SMALL).allocate(problem);
    var losses = found.history().stream().map(Allocator.Step::loss).toList();
    assertThat(losses)
        .hasSize(SMALL.generations() + 1)
        .isSortedAccordingTo((a, b) -> Double.compare(b, a));
    assertThat(losses.getLast()).isLessThan(losses.getFirst()).isEqualTo(found.loss());
    for (var start : List.of(new Uniform(), Knapsack.USUAL)) {
      var allocation = start.allocate(problem).allocation();
      try (var last = toy.draw(1600, null)) {
        assertThat(found.loss()).isLessThanOrEqualTo(last.loss(allocation));
      }
    }
  }

  @Test
  void freshTextLosesNoStartEither() {
    var toy = new Toy(10, new long[] {10, 10, 10, 10}, 8);
    var found = EvoPress.of(SMALL).withFreshText().allocate(toy.problem(10));
    var start = EvoPress.of(SMALL).allocate(toy.problem(10)).history().getFirst();
    assertThat(found.loss()).isLessThanOrEqualTo(start.loss());
  }

  @Test
  void aSeedFindsTheSameAgainAndAnotherOneDoesNot() {
    var sizes = new long[] {10, 10, 10, 30, 30, 30, 20, 20, 20, 20};
    var first = EvoPress.of(SMALL).allocate(new Toy(11, sizes, 1).problem(1));
    assertThat(EvoPress.of(SMALL).allocate(new Toy(11, sizes, 1).problem(1))).isEqualTo(first);
    assertThat(EvoPress.of(SMALL).allocate(new Toy(11, sizes, 1).problem(2)).history())
        .isNotEqualTo(first.history());
  }

  @Test
  void aKilledSearchGoesOnToTheSameEnd() {
    var sizes = new long[] {10, 10, 10, 30, 30, 30, 20, 20, 20, 20};
    var whole = EvoPress.of(SMALL).allocate(new Toy(12, sizes, 1).problem(1));
    var file = folder.resolve("search.journal");
    var journaled = EvoPress.of(SMALL).journaledIn(file);
    var killed = new Toy(12, sizes, 1);
    killed.most = 1500;
    assertThatThrownBy(() -> journaled.allocate(killed.problem(1))).hasMessage("killed");
    assertThat(file).exists();

    var again = new Toy(12, sizes, 1);
    assertThat(journaled.allocate(again.problem(1))).isEqualTo(whole);
    assertThat(again.measured.size()).isLessThan(whole.history().size() * 34 - 1300);
    assertThat(file).doesNotExist();
  }

  @Test
  void theJournalOfAnotherSearchIsNotGoneOnWith() throws Exception {
    var file = folder.resolve("search.journal");
    var journaled = EvoPress.of(SMALL).journaledIn(file);
    var sizes = new long[] {10, 10, 10, 30, 30, 30};
    var killed = new Toy(13, sizes, 1);
    killed.most = 1000;
    assertThatThrownBy(() -> journaled.allocate(killed.problem(1))).hasMessage("killed");
    assertThat(Files.readAllLines(file)).hasSizeGreaterThan(2);
    var other = new Toy(14, sizes, 1);
    assertThat(journaled.allocate(other.problem(1)))
        .isEqualTo(EvoPress.of(SMALL).allocate(new Toy(14, sizes, 1).problem(1)));
  }

  @Test
  void whatTimeAllowedCanBeFoundAgain() {
    var sizes = new long[] {10, 10, 10, 30, 30, 30, 20, 20, 20, 20};
    var timed = EvoPress.within(1e-3).allocate(new Toy(15, sizes, 1).problem(1));
    var note = "the same again: ";
    var told = timed.notes().stream().filter(line -> line.startsWith(note)).findFirst();
    var settings = new HashMap<String, String>();
    for (var setting : told.orElseThrow().substring(note.length()).split(",")) {
      settings.put(setting.split("=")[0], setting.split("=")[1]);
    }
    assertThat(settings).containsEntry("generations", "" + (timed.history().size() - 1));
    var again = Allocators.named("evopress", settings).allocate(new Toy(15, sizes, 1).problem(1));
    assertThat(again.allocation()).isEqualTo(timed.allocation());
    assertThat(again.history()).isEqualTo(timed.history());
  }

  @Test
  void aPlanIsMadeOfTheTimeThereIs() {
    var little = SearchPlan.of(300_000, 100_000);
    var much = SearchPlan.of(30_000_000, 100_000);
    assertThat(little.work()).isBetween(200_000.0, 330_000.0);
    assertThat(much.work()).isBetween(25_000_000.0, 31_000_000.0);
    assertThat(much.generations()).isGreaterThan(little.generations());
    assertThat(SearchPlan.of(1000, 50).stages()).allMatch(stage -> stage.tokens() == 50);
  }

  @Test
  void settingsAreReadByName() {
    var named =
        Allocators.named(
            "evopress",
            Map.of(
                "generations",
                20,
                "offspring",
                8,
                "survivors",
                "4/1",
                "tokens",
                "128/512",
                "sizes",
                "any",
                "start",
                "uniform"));
    var plan =
        new SearchPlan(20, 8, List.of(new SearchPlan.Stage(4, 128), new SearchPlan.Stage(1, 512)));
    assertThat(named).isEqualTo(EvoPress.of(plan).from(Start.UNIFORM).withAnySizes());
    assertThat(Allocators.named("evopress", Map.of("minutes", 3))).isEqualTo(EvoPress.within(3));
    assertThatThrownBy(() -> Allocators.named("evopress", Map.of("tokens", "1,2")))
        .isInstanceOf(LatheException.class)
        .hasMessage(
            "evopress's tokens are whole numbers with strokes between, as 16/4/1, not '1,2'");
  }

  @Test
  void withoutTextThereIsNoSearch() {
    var toy = new Toy(1, new long[] {10, 10}, 0);
    var problem = toy.problem(1);
    var blind =
        new Problem(
            problem.table(),
            problem.costs(),
            problem.budget(),
            problem.losses(),
            Optional.empty(),
            0,
            Progress.NONE);
    assertThatThrownBy(() -> EvoPress.within(1).allocate(blind))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("there is no text to measure on; knapsack needs none");
  }

  /** Levels of 1 to 5 times a unit's size, the true loss of each, and estimates that are off. */
  private static final class Toy implements Fitness {
    private final LevelTable table;
    private final long[][] costs;
    private final double[][] truth;
    private final double[][] estimates;
    private final double noise;
    private final List<Allocation> measured = new ArrayList<>();
    private int most = Integer.MAX_VALUE;

    /**
     * @param noise of a text of 100 tokens
     */
    Toy(long seed, long[] sizes, double noise) {
      var random = new Random(seed);
      this.noise = noise;
      costs = new long[sizes.length][5];
      truth = new double[sizes.length][5];
      estimates = new double[sizes.length][5];
      var units = new ArrayList<Unit>();
      for (int unit = 0; unit < sizes.length; unit++) {
        double weight = 1 + 20 * random.nextDouble();
        double error = Math.exp(random.nextGaussian());
        var options = new ArrayList<Option>();
        for (int level = 0; level < 5; level++) {
          costs[unit][level] = sizes[unit] * (level + 1);
          truth[unit][level] = level == 4 ? 0 : weight / (1 << 2 * level);
          estimates[unit][level] = truth[unit][level] * error;
          options.add(new Option("L" + level, "L", costs[unit][level], 0, Map.of()));
        }
        units.add(new Unit("unit" + unit, unit, List.of(), sizes[unit], options));
      }
      table = new LevelTable(units);
    }

    Problem problem(long seed) {
      long most = Arrays.stream(costs).mapToLong(unit -> unit[4]).sum();
      return problem(seed, most * 53 / 100);
    }

    Problem problem(long seed, long budget) {
      return new Problem(table, costs, budget, estimates, Optional.of(this), seed, Progress.NONE);
    }

    private double truth(Allocation allocation) {
      return allocation.loss(truth);
    }

    /** The least loss within the budget, by trying everything. */
    double least() {
      long budget = problem(0).budget();
      double least = Double.POSITIVE_INFINITY;
      var choices = new int[costs.length];
      for (int code = 0; code < Math.pow(5, choices.length); code++) {
        for (int unit = 0, rest = code; unit < choices.length; unit++, rest /= 5) {
          choices[unit] = rest % 5;
        }
        var allocation = Allocation.of(choices);
        if (allocation.cost(costs) <= budget) {
          least = Math.min(least, truth(allocation));
        }
      }
      return least;
    }

    @Override
    public long tokens() {
      return 1600;
    }

    @Override
    public Batch draw(int tokens, RandomGenerator random) {
      // All of the text is the same text, whoever draws it.
      long text = tokens == tokens() ? 0 : random.nextLong();
      return new Batch() {
        @Override
        public double loss(Allocation allocation) {
          if (measured.size() == most) {
            throw new IllegalStateException("killed");
          }
          measured.add(allocation);
          var gaussian = new Random(text + allocation.hashCode()).nextGaussian();
          return truth(allocation) + gaussian * noise * Math.sqrt(100.0 / tokens);
        }

        @Override
        public void close() {}
      };
    }
  }
}
