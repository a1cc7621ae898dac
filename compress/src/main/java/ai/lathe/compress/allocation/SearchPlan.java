package ai.lathe.compress.allocation;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;

/**
 * How much an evolution measures.
 *
 * @param offspring of each generation
 * @param stages of the selection among them, at least one; the last keeps one
 */
public record SearchPlan(int generations, int offspring, List<Stage> stages) {

  /** Candidates times tokens below which a generation learns too little. */
  private static final double GENERATION = 12_000;

  private static final int MOST_GENERATIONS = 400;

  /** Few enough that offspring are told apart by chance as much as by merit. */
  private static final int FEWEST_TOKENS = 128;

  /** On fewer in the last stage the search learns the text rather than the model. */
  private static final int FEWEST_LAST_TOKENS = 8192;

  /**
   * @param survivors of it
   * @param tokens that all candidates are measured on
   */
  public record Stage(int survivors, int tokens) {}

  public SearchPlan {
    stages = List.copyOf(stages);
    if (generations < 1 || offspring < 1 || stages.isEmpty()) {
      throw new LatheException("a search has at least 1 generation, 1 offspring and 1 stage");
    }
    int before = offspring;
    for (var stage : stages) {
      if (stage.survivors() < 1 || stage.survivors() > before || stage.tokens() < 3) {
        throw new LatheException(
            "each stage of a selection keeps at least 1 of those before it, on at least 3 tokens; %d of %d on %d are asked for"
                .formatted(stage.survivors(), before, stage.tokens()));
      }
      before = stage.survivors();
    }
    if (before != 1) {
      throw new LatheException("the last stage of a selection keeps 1, not " + before);
    }
  }

  /** The paper's for quantization. */
  static final SearchPlan PAPER =
      new SearchPlan(
          150, 128, List.of(new Stage(16, 2048), new Stage(4, 16_384), new Stage(1, 131_072)));

  /**
   * What there is time for: half of a generation's tokens for the last stage, a quarter for each of
   * two before it. More time first makes more generations, then larger ones.
   *
   * @param work candidates times tokens that can be measured
   * @param tokens that there are
   */
  static SearchPlan of(double work, long tokens) {
    double generations = Math.clamp(work / GENERATION, 1, MOST_GENERATIONS);
    double each = work / generations;
    int offspring = each < 2 * GENERATION ? 16 : each < 6 * GENERATION ? 32 : 64;
    int second = offspring / 4;
    int third = Math.max(1, offspring / 16);
    var stages =
        List.of(
            new Stage(second, tokens(each / 4 / offspring, tokens)),
            new Stage(third, tokens(each / 4 / second, tokens)),
            new Stage(1, tokens(Math.max(each / 2 / third, FEWEST_LAST_TOKENS), tokens)));
    var plan = new SearchPlan(1, offspring, stages);
    // Where text is short a generation is cheaper, and where time is it is dearer.
    int affordable = (int) Math.clamp(work / plan.work(), 1, MOST_GENERATIONS);
    return new SearchPlan(affordable, offspring, stages);
  }

  private static int tokens(double wanted, long available) {
    return (int) Math.min(Math.max(wanted, FEWEST_TOKENS), available);
  }

  /** The same with other generations. */
  SearchPlan with(int others) {
    return new SearchPlan(others, offspring, stages);
  }

  /** Candidates times tokens of all generations, the parent's not counted. */
  double work() {
    double work = 0;
    int candidates = offspring;
    for (var stage : stages) {
      work += (double) candidates * stage.tokens();
      candidates = stage.survivors();
    }
    return generations * work;
  }

  /** As the setting of this name is written. */
  String survivors() {
    return joined(Stage::survivors);
  }

  /** As the setting of this name is written. */
  String tokens() {
    return joined(Stage::tokens);
  }

  private String joined(ToIntFunction<Stage> number) {
    return stages.stream()
        .map(stage -> String.valueOf(number.applyAsInt(stage)))
        .collect(Collectors.joining("/"));
  }

  /** As settings are written. */
  @Override
  public String toString() {
    return "generations=%d,offspring=%d,survivors=%s,tokens=%s"
        .formatted(generations, offspring, survivors(), tokens());
  }

  /** The stages of settings as {@link #survivors} and {@link #tokens} write them. */
  static List<Stage> stages(String survivors, String tokens) {
    var kept = numbers("survivors", survivors);
    var texts = numbers("tokens", tokens);
    if (kept.size() != texts.size()) {
      throw new LatheException(
          "evopress's survivors and tokens are one number a stage: %s are %d and %s are %d"
              .formatted(survivors, kept.size(), tokens, texts.size()));
    }
    var stages = new ArrayList<Stage>();
    for (int i = 0; i < kept.size(); i++) {
      stages.add(new Stage(kept.get(i), texts.get(i)));
    }
    return stages;
  }

  private static List<Integer> numbers(String name, String text) {
    var numbers = new ArrayList<Integer>();
    for (var part : text.split("/")) {
      try {
        numbers.add(Integer.valueOf(part.strip()));
      } catch (NumberFormatException e) {
        throw new LatheException(
            "evopress's %s are whole numbers with strokes between, as 16/4/1, not '%s'"
                .formatted(name, text),
            e);
      }
    }
    return numbers;
  }
}
