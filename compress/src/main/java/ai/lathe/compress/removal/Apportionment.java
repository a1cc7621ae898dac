package ai.lathe.compress.removal;

import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Knapsack;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.factorization.RemovalKnapsack;
import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import ai.lathe.compress.removal.LayerProfile.Option;
import ai.lathe.compress.report.AllocationReport;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The choice for each layer with which all of them together lose the share of their parameters, and
 * the sum of losses is the least: a multiple-choice knapsack, exactly. A layer may stay as it is.
 *
 * @param choices one a layer; empty where it stays as it is
 * @param total parameters of all layers as they are
 * @param stays of these
 * @param cap that each layer had; empty where there was none
 * @param found loss, bound and notes
 */
public record Apportionment(
    String method,
    Removal removed,
    RemovalKnapsack how,
    List<LayerProfile> layers,
    List<Optional<Option>> choices,
    long total,
    long stays,
    Optional<ErrorCap> cap,
    Allocator.Result found) {

  /**
   * @throws LatheException where the largest removals together are too little
   */
  static Apportionment of(
      String method, Removal removed, RemovalKnapsack how, List<LayerProfile> layers) {
    long total = layers.stream().mapToLong(LayerProfile::parameters).sum();
    long budget = (long) Math.floor((1 - removed.share()) * total * (1 + 1e-12));
    requireReachable(removed, layers, total, budget);
    var cap =
        how.cap()
            ? ErrorCap.of(layers, removed.share(), budget, how.measure())
            : Optional.<ErrorCap>empty();
    var allowed = layers.stream().map(layer -> allowed(layer, cap, how.measure())).toList();
    var problem = problem(layers, allowed, budget, how.measure());
    var result = Knapsack.USUAL.allocate(problem);
    var choices = new ArrayList<Optional<Option>>();
    for (int i = 0; i < layers.size(); i++) {
      int choice = result.allocation().choice(i);
      var options = allowed.get(i);
      choices.add(choice < options.size() ? Optional.of(options.get(choice)) : Optional.empty());
    }
    long stays = result.allocation().cost(problem.costs());
    return new Apportionment(method, removed, how, layers, choices, total, stays, cap, result);
  }

  private static void requireReachable(
      Removal removed, List<LayerProfile> layers, long total, long budget) {
    long least =
        layers.stream()
            .mapToLong(
                layer ->
                    layer.options().stream()
                        .mapToLong(Option::parameters)
                        .reduce(layer.parameters(), Math::min))
            .sum();
    if (least > budget) {
      throw new LatheException(
          String.format(
              Locale.ROOT,
              "a share of %s cannot be removed by an allocator: the most that its levels remove"
                  + " together is %.3f; ask for less, or give --allocator uniform",
              removed.share(),
              1 - (double) least / total));
    }
  }

  private static List<Option> allowed(LayerProfile layer, Optional<ErrorCap> cap, Measure measure) {
    return layer.options().stream()
        .filter(option -> cap.isEmpty() || cap.get().allows(option, measure))
        .toList();
  }

  /** Options in their order, then the layer as it is. */
  private static Problem problem(
      List<LayerProfile> layers, List<List<Option>> allowed, long budget, Measure measure) {
    var costs = new long[layers.size()][];
    var losses = new double[layers.size()][];
    var units = new ArrayList<Unit>();
    for (int i = 0; i < layers.size(); i++) {
      var layer = layers.get(i);
      var options = allowed.get(i);
      costs[i] = new long[options.size() + 1];
      losses[i] = new double[options.size() + 1];
      var named = new ArrayList<ai.lathe.compress.allocation.Option>();
      for (int o = 0; o < options.size(); o++) {
        var option = options.get(o);
        costs[i][o] = option.parameters();
        losses[i][o] = layer.loss(option, measure);
        named.add(option(option.level(""), option.encoding(), option.bytes()));
      }
      costs[i][options.size()] = layer.parameters();
      named.add(option(LevelStore.ORIGINAL, layer.encoding(), layer.bytes()));
      units.add(new Unit(layer.name(), layer.block(), List.of(), layer.parameters(), named));
    }
    return new Problem(
        new LevelTable(units), costs, budget, losses, Optional.empty(), 0, Progress.NONE);
  }

  private static ai.lathe.compress.allocation.Option option(
      String level, String encoding, long bytes) {
    return new ai.lathe.compress.allocation.Option(level, encoding, bytes, 0, Map.of());
  }

  /** For people, a line each. */
  List<String> notes() {
    long dense = choices.stream().filter(Optional::isEmpty).count();
    var shares =
        choices.stream().flatMap(Optional::stream).mapToDouble(Option::removed).summaryStatistics();
    var notes = new ArrayList<String>();
    notes.add(
        String.format(
            Locale.ROOT,
            "knapsack over %d layers, by %s errors: shares from %.2f to %.2f, %d left as they are;"
                + " %,d of %,d parameters stay, %.2f %% removed",
            layers.size(),
            how.measure().name().toLowerCase(Locale.ROOT),
            shares.getMin(),
            shares.getMax(),
            dense,
            stays,
            total,
            100 * (1 - (double) stays / total)));
    cap.ifPresentOrElse(
        limit ->
            notes.add(
                String.format(
                    Locale.ROOT,
                    "no layer loses more than %.4f, %.1f times the mean at this share",
                    limit.most(),
                    limit.alpha())),
        () -> {
          if (how.cap()) {
            notes.add("no limit of what a layer loses: within one, too little could be removed");
          }
        });
    return notes;
  }

  AllocationReport report() {
    var all = new ArrayList<AllocationReport.Choice>();
    long bytes = 0;
    for (int i = 0; i < layers.size(); i++) {
      var layer = layers.get(i);
      var choice = choices.get(i);
      var options = new ArrayList<AllocationReport.Option>();
      for (var option : layer.options().reversed()) {
        options.add(
            told(
                option.level(method),
                option.encoding(),
                option.bytes(),
                layer.loss(option, how.measure())));
      }
      options.add(told(LevelStore.ORIGINAL, layer.encoding(), layer.bytes(), 0));
      long own = choice.map(Option::bytes).orElse(layer.bytes());
      bytes += own;
      all.add(
          new AllocationReport.Choice(
              layer.name(),
              layer.block(),
              List.of(layer.name()),
              choice.map(option -> option.level(method)).orElse(LevelStore.ORIGINAL),
              choice.map(Option::encoding).orElse(layer.encoding()),
              own,
              layer.parameters(),
              options));
    }
    return new AllocationReport(
        RemovalKnapsack.NAME,
        removed.share() + " of the parameters removed",
        how.measure().name(),
        found.loss(),
        found.bound(),
        bytes,
        bytes,
        all,
        List.of(),
        List.of(),
        "removed",
        removed.share(),
        null,
        null,
        List.of());
  }

  private AllocationReport.Option told(String level, String encoding, long bytes, double loss) {
    var losses = new TreeMap<String, Double>();
    losses.put(how.measure().name().toLowerCase(Locale.ROOT), loss);
    return new AllocationReport.Option(level, encoding, bytes, 0, losses, null);
  }
}
