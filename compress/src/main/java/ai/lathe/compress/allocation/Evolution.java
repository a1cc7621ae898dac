package ai.lathe.compress.allocation;

import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/** One run of {@link EvoPress}. */
final class Evolution {

  /** Children that are asked for in vain before a generation is as large as it gets. */
  private static final int MOST_DUPLICATES = 50;

  /** To find out how long a candidate takes. */
  private static final int TIMED_TOKENS = 256;

  private static final int TIMED_CANDIDATES = 4;
  private static final long TIMED_NANOS = 2_000_000_000L;
  private static final int MOST_TIMED = 200;

  /** A machine that turned out slower than it was timed at may take so much longer. */
  private static final double PATIENCE = 1.25;

  /** Streams of random numbers beside those of generations, which are 0 and above. */
  private static final int LAST_TEXT = -1;

  private static final int ROUNDINGS = -2;
  private static final int TIMING = -3;

  private final EvoPress settings;
  private final Problem problem;
  private final Fitness fitness;
  private final Map<String, Allocation> starts = new LinkedHashMap<>();
  private final List<Allocation> roundings;
  private final LevelSwitch switches;
  private final List<Allocator.Step> history = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private final long begin = System.nanoTime();
  private long evaluated;

  Evolution(EvoPress settings, Problem problem, Fitness fitness) {
    this.settings = settings;
    this.problem = problem;
    this.fitness = fitness;
    var around = Uniform.around(problem);
    starts.put("uniform", new Uniform().allocate(problem).allocation());
    if (settings.start() != EvoPress.Start.UNIFORM) {
      starts.put("knapsack", Knapsack.USUAL.allocate(problem).allocation());
    }
    roundings = roundings(around);
    var levels = new ArrayList<>(starts.values());
    levels.add(around.lower());
    levels.add(around.upper());
    switches = new LevelSwitch(problem, levels, settings.anySizes());
  }

  Allocator.Result run() {
    try (var journal = EvolutionJournal.of(settings, problem, fitness)) {
      var plan = journal.plan().or(settings::plan).orElseGet(this::timed);
      journal.begin(plan);
      var last = plan.stages().getLast();
      try (var text = fitness.draw(available(last.tokens()), random(LAST_TEXT));
          var task = problem.progress().start(settings.name(), plan.generations())) {
        if (!roundings.isEmpty()) {
          starts.put("rounding", bestRounding(plan));
        }
        var parent = start(text);
        for (var done : journal.generations()) {
          parent = done.parent();
          evaluated = done.evaluated();
          history.add(new Allocator.Step(history.size(), evaluated, done.loss()));
          task.advance(1);
        }
        int n = journal.generations().size();
        for (; n < plan.generations() && (n == 0 || !late()); n++) {
          parent = generation(plan, n, parent, text, task);
          var step = history.getLast();
          journal.append(new EvolutionJournal.Generation(parent, step.evaluated(), step.loss()));
        }
        var result = result(parent, text, plan.with(n));
        journal.delete();
        return result;
      }
    }
  }

  /** Whether the time for a plan that was made for it is over. */
  private boolean late() {
    double minutes = (System.nanoTime() - begin) / 60e9;
    return settings.plan().isEmpty() && minutes > PATIENCE * settings.minutes();
  }

  /** The best of the starts and of what was found, by the last stage's text. */
  private Allocator.Result result(Allocation found, Fitness.Batch text, SearchPlan plan) {
    var finalists = new LinkedHashMap<>(starts);
    finalists.put("search", found);
    var allocations = List.copyOf(finalists.values());
    var losses = losses(text, allocations);
    int best = best(losses);
    var names = List.copyOf(finalists.keySet());
    var told = new ArrayList<String>();
    for (int i = 0; i < losses.length; i++) {
      told.add("%s %.6g".formatted(names.get(i), losses[i]));
    }
    notes.add("the same again: " + settings.with(plan));
    notes.add(
        "%,d allocations measured; on the last text: %s"
            .formatted(evaluated, String.join(", ", told)));
    return new Allocator.Result(allocations.get(best), losses[best], Double.NaN, history, notes);
  }

  /** Where the search begins: a start, chosen by the last stage's text. */
  private Allocation start(Fitness.Batch text) {
    var from =
        starts.entrySet().stream()
            .filter(
                entry ->
                    settings.start() != EvoPress.Start.KNAPSACK
                        || entry.getKey().equals("knapsack"))
            .map(Map.Entry::getValue)
            .distinct()
            .toList();
    var losses = losses(text, from);
    evaluated += from.size();
    int best = best(losses);
    history.add(new Allocator.Step(0, evaluated, losses[best]));
    return from.get(best);
  }

  private Allocation generation(
      SearchPlan plan, int number, Allocation parent, Fitness.Batch lastText, Progress.Task task) {
    var random = random(number);
    var candidates = children(parent, plan.offspring(), random);
    double loss = Double.NaN;
    for (var stage : plan.stages()) {
      boolean last = stage == plan.stages().getLast();
      if (last) {
        candidates.remove(parent);
        candidates.addFirst(parent);
      }
      if (candidates.isEmpty()) {
        continue;
      }
      if (last && !settings.fresh()) {
        loss = select(candidates, stage.survivors(), lastText);
      } else {
        try (var text = fitness.draw(available(stage.tokens()), random)) {
          loss = select(candidates, stage.survivors(), text);
        }
      }
    }
    history.add(new Allocator.Step(history.size(), evaluated, loss));
    task.advance(1);
    task.note("loss %.6g, %,d measured".formatted(loss, evaluated));
    return candidates.getFirst();
  }

  /**
   * Keeps the best in order.
   *
   * @return the best one's loss
   */
  private double select(List<Allocation> candidates, int survivors, Fitness.Batch text) {
    var losses = losses(text, candidates);
    evaluated += losses.length;
    var kept =
        IntStream.range(0, losses.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> losses[i]))
            .limit(survivors)
            .toList();
    var best = kept.stream().map(candidates::get).toList();
    candidates.clear();
    candidates.addAll(best);
    return losses[kept.getFirst()];
  }

  private List<Allocation> children(Allocation parent, int count, RandomGenerator random) {
    var children = new LinkedHashSet<Allocation>();
    int duplicates = 0;
    while (children.size() < count && duplicates < MOST_DUPLICATES) {
      var child = switches.child(parent, random);
      if (child.isEmpty() || !children.add(child.get())) {
        duplicates++;
      }
    }
    return new ArrayList<>(children);
  }

  /** Random mixtures of the two levels that the budget lies between. */
  private List<Allocation> roundings(Uniform.Around around) {
    var found = new LinkedHashSet<Allocation>();
    if (settings.start() == EvoPress.Start.KNAPSACK || around.upper().equals(around.lower())) {
      return List.of();
    }
    var random = random(ROUNDINGS);
    for (int i = 0; i < settings.roundings(); i++) {
      var choices = around.lower().choices().stream().mapToInt(Integer::intValue).toArray();
      long left = problem.budget() - around.lower().cost(problem.costs());
      for (int unit : LevelSwitch.shuffled(choices.length, random)) {
        var costs = problem.costs()[unit];
        long more = costs[around.upper().choice(unit)] - costs[choices[unit]];
        if (more > 0 && more <= left) {
          choices[unit] = around.upper().choice(unit);
          left -= more;
        }
      }
      found.add(Allocation.of(choices));
    }
    return List.copyOf(found);
  }

  private Allocation bestRounding(SearchPlan plan) {
    int tokens = available(plan.stages().getFirst().tokens());
    try (var text = fitness.draw(tokens, random(ROUNDINGS))) {
      evaluated += roundings.size();
      return roundings.get(best(losses(text, roundings)));
    }
  }

  /** What there is time for, by a few candidates like those to come. */
  private SearchPlan timed() {
    int tokens = available(TIMED_TOKENS);
    var random = random(TIMING);
    var parent = List.copyOf(starts.values()).getLast();
    try (var text = fitness.draw(tokens, random)) {
      text.loss(parent);
      long begin = System.nanoTime();
      int measured = 0;
      long took = 0;
      while (measured < TIMED_CANDIDATES || took < TIMED_NANOS && measured < MOST_TIMED) {
        var children = children(parent, TIMED_CANDIDATES, random);
        if (children.isEmpty()) {
          break;
        }
        text.losses(children);
        measured += children.size();
        took = System.nanoTime() - begin;
      }
      double each = Math.max(1, took) / 1e9 / Math.max(1, measured) / tokens;
      var plan = SearchPlan.of(settings.minutes() * 60 / each, fitness.tokens());
      notes.add(
          "chosen for %.3g minutes at %.3g ms a candidate and %d tokens"
              .formatted(settings.minutes(), each * tokens * 1e3, tokens));
      return plan;
    }
  }

  private int available(int tokens) {
    return (int) Math.min(tokens, fitness.tokens());
  }

  private static double[] losses(Fitness.Batch text, List<Allocation> allocations) {
    var losses = text.losses(allocations);
    for (int i = 0; i < losses.length; i++) {
      losses[i] = Double.isNaN(losses[i]) ? Double.POSITIVE_INFINITY : losses[i];
    }
    return losses;
  }

  /** The first of the least. */
  private static int best(double[] losses) {
    int best = 0;
    for (int i = 1; i < losses.length; i++) {
      best = losses[i] < losses[best] ? i : best;
    }
    return best;
  }

  /** Numbers that depend on the seed and the generation alone, so that a run can go on from any. */
  private RandomGenerator random(int stream) {
    return new SplittableRandom(new SplittableRandom(problem.seed()).nextLong() + stream);
  }
}
