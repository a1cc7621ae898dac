package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Level;
import ai.lathe.compress.plan.Plan;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** What allocations over a level database come to: plans, artifacts' bytes, models to measure. */
public final class Mixture {

  private final Checkpoint source;
  private final Path artifact;
  private final LevelStore store;
  private final Plan base;
  private final Optional<Function<String, Plan>> solvers;
  private final String database;
  private final Map<Address, Plan.Entry> entries = new HashMap<>();
  private final Map<Address, LinearWeight> kept = new HashMap<>();

  /**
   * @param artifact whose name stands in some files
   * @param base everything as it is kept, and what no unit speaks of as it is to be
   * @param solvers the plan of a level for the whole model, where layers are to be solved again in
   *     the mixture's own company; empty to take them as they are stored
   */
  public Mixture(
      Checkpoint source,
      Path artifact,
      LevelStore store,
      Plan base,
      Optional<Function<String, Plan>> solvers) {
    this.source = source;
    this.artifact = artifact;
    this.store = store;
    this.base = base;
    this.solvers = solvers;
    this.database = Fingerprint.ofText(table().toString());
    base.entries().forEach(entry -> entries.put(entry.address(), entry));
    for (var unit : table().units()) {
      for (var member : unit.members()) {
        if (!entries.containsKey(member)) {
          throw new LatheException(
              "the level database has levels of %s, which this model lacks".formatted(member));
        }
      }
    }
  }

  public LevelTable table() {
    return store.table();
  }

  /** Bytes of the whole artifact: headers, configuration, tokenizer and all. */
  public long artifactBytes(Allocation allocation) {
    return plan(allocation).outline(artifact, source).bytes();
  }

  /** How matrices are stored that no unit speaks of. */
  public String outside() {
    var text = new StringBuilder(base.target().name());
    base.entries().stream()
        .filter(entry -> entry.address().block() == Address.OUTSIDE)
        .forEach(
            entry ->
                text.append(' ').append(entry.name()).append(' ').append(entry.encoding().label()));
    return text.toString();
  }

  /** Everything that is outside the units' layers. */
  public long overhead(Allocation allocation) {
    return artifactBytes(allocation) - allocation.cost(table().bytes());
  }

  /** The plan that writes it. */
  public Plan plan(Allocation allocation) {
    var levels = levels(allocation);
    var plans = new HashMap<String, Map<Address, Plan.Entry>>();
    var entries =
        base.entries().stream()
            .map(
                kept -> {
                  var level = levels.get(kept.address());
                  if (level == null) {
                    return kept;
                  }
                  return solvers.isEmpty()
                      ? stored(kept, level)
                      : solved(kept.address(), level, plans);
                })
            .toList();
    return new Plan(base.target(), entries, base.transforms(), base.prerequisites(), base.notes());
  }

  private Plan.Entry stored(Plan.Entry kept, String level) {
    var solver = new Stored(store, kept.address());
    return new Plan.Entry(
        kept.address(),
        kept.name(),
        kept.rows(),
        kept.columns(),
        store.weight(kept.address(), level).encoding(),
        Optional.of(new Level<>(solver, new Stored.Config(level, database))),
        Optional.empty(),
        Optional.empty());
  }

  private Plan.Entry solved(
      Address address, String level, Map<String, Map<Address, Plan.Entry>> plans) {
    return plans
        .computeIfAbsent(
            level,
            name -> {
              var entries = new HashMap<Address, Plan.Entry>();
              solvers
                  .orElseThrow()
                  .apply(name)
                  .entries()
                  .forEach(entry -> entries.put(entry.address(), entry));
              return entries;
            })
        .get(address);
  }

  /** The level of each layer that is not kept as it is. */
  private Map<Address, String> levels(Allocation allocation) {
    var levels = new HashMap<Address, String>();
    for (int u = 0; u < table().units().size(); u++) {
      var unit = table().units().get(u);
      boolean original = allocation.choice(u) == unit.options().size() - 1;
      if (!original) {
        var level = allocation.option(table(), u).level();
        unit.members().forEach(member -> levels.put(member, level));
      }
    }
    return levels;
  }

  /**
   * The model as the artifact will hold it, to be run without being written; the source stays open.
   */
  public Checkpoint view(Allocation allocation) {
    var levels = levels(allocation);
    return new CheckpointView(source) {
      @Override
      public LinearWeight matrix(Address address) {
        var level = levels.get(address);
        return level == null ? kept(address) : store.weight(address, level);
      }
    };
  }

  /** A matrix that no unit gives a level, as it will be stored. */
  private LinearWeight kept(Address address) {
    var stored = source.matrix(address);
    var entry = entries.get(address);
    if (entry == null || stored.encoding().equals(entry.encoding())) {
      return stored;
    }
    return kept.computeIfAbsent(
        address,
        _ -> {
          var weight = stored.decode();
          if (entry.level().isPresent()) {
            var layer = new Layer(entry.name(), weight);
            return entry.level().get().solve(layer, LayerStatistics.NONE).weight();
          }
          var type = ((Encoding.Plain) entry.encoding()).dtype();
          return new Dense(Dense.of(weight).tensor().to(type, Arena.ofAuto()));
        });
  }
}
