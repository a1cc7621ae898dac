package ai.lathe.compress.database;

import ai.lathe.compress.layer.BlockSolver;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.plan.Plan;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What each level means for each layer of one model and one kind of artifact: its solver, its
 * encoding, its exact bytes. Follows from their names and the model's shapes alone, so that a
 * database need not tell it, and cannot tell it wrong.
 */
final class LevelPlans {

  private final Target target;
  private final List<LevelSpec> specs;
  private final Map<Address, Plan.Entry> originals = new LinkedHashMap<>();
  private final Map<String, Map<Address, Plan.Entry>> levels = new LinkedHashMap<>();
  private final Set<String> notes = new LinkedHashSet<>();

  private LevelPlans(Target target, List<LevelSpec> specs) {
    this.target = target;
    this.specs = specs;
  }

  /** Throws {@link LatheException} where a level is not one that layers have one by one. */
  static LevelPlans of(Checkpoint model, Target target, List<LevelSpec> specs) {
    for (var spec : specs) {
      if (spec.blocks() && target != Target.GGUF) {
        throw new LatheException(
            "level %s is a type of GGUF files, and has no place in a directory of %s"
                .formatted(spec.name(), target.name()));
      }
    }
    var plans = new LevelPlans(target, specs);
    var original = Planner.original(model, target);
    specs.forEach(spec -> plans.add(spec, Planner.plan(model, spec.recipe(), target), original));
    for (var entry : original.entries()) {
      if (plans.levels.values().stream().anyMatch(level -> level.containsKey(entry.address()))) {
        plans.originals.put(entry.address(), entry);
      }
    }
    return plans;
  }

  private void add(LevelSpec spec, Plan plan, Plan original) {
    if (!plan.transforms().isEmpty()) {
      throw new LatheException(
          "level %s changes whole blocks before it compresses layers; a level is of a layer by itself"
              .formatted(spec.name()));
    }
    notes.addAll(plan.notes());
    var entries = new LinkedHashMap<Address, Plan.Entry>();
    var reasons = new LinkedHashMap<String, List<String>>();
    for (int i = 0; i < plan.entries().size(); i++) {
      var entry = plan.entries().get(i);
      if (entry.address().block() == Address.OUTSIDE) {
        continue;
      }
      entry.fallback().ifPresent(why -> why(reasons, why, entry));
      if (entry.level().isEmpty()) {
        continue;
      }
      if (entry.level().get().root().solver() instanceof BlockSolver<?>) {
        throw new LatheException(
            "level %s solves the layers of a block together; a level is of a layer by itself"
                .formatted(spec.name()));
      }
      if (plan.bytes(entry) < plan.bytes(original.entries().get(i))) {
        entries.put(entry.address(), entry);
      } else {
        why(reasons, "left out, as it takes no fewer bytes than the original", entry);
      }
    }
    if (entries.isEmpty()) {
      throw new LatheException(
          "level %s makes no layer of this model smaller than %s does"
              .formatted(spec.name(), original.entries().getLast().encoding().label()));
    }
    reasons.forEach((why, layers) -> notes.add(note(spec, why, layers)));
    levels.put(spec.name(), entries);
  }

  private static void why(Map<String, List<String>> reasons, String why, Plan.Entry layer) {
    reasons.computeIfAbsent(why, _ -> new ArrayList<>()).add(layer.name());
  }

  private static String note(LevelSpec spec, String why, List<String> layers) {
    return layers.size() == 1
        ? "%s, %s: %s".formatted(spec.name(), layers.getFirst(), why)
        : "%s, %d layers from %s on: %s"
            .formatted(spec.name(), layers.size(), layers.getFirst(), why);
  }

  Target target() {
    return target;
  }

  List<LevelSpec> specs() {
    return specs;
  }

  /** Layers that have a level, as they are in an artifact that leaves them alone; in order. */
  List<Plan.Entry> layers() {
    return List.copyOf(originals.values());
  }

  /** Those of one block. */
  List<Plan.Entry> layers(int block) {
    return originals.values().stream().filter(entry -> entry.address().block() == block).toList();
  }

  /** Empty for a layer that cannot have the level. */
  Optional<Plan.Entry> entry(String level, Address address) {
    return Optional.ofNullable(levels.getOrDefault(level, Map.of()).get(address));
  }

  long bytes(Plan.Entry entry) {
    return target.bytes(entry.encoding(), entry.rows(), entry.columns());
  }

  /** What calibration has to collect in a block: for solvers, and the Gram matrix for losses. */
  Map<Site, Set<Statistic>> requires(int block, Checkpoint model) {
    var required = new HashMap<Site, Set<Statistic>>();
    for (var layer : layers(block)) {
      var site = layer.address().reads(model.architecture());
      if (site.isEmpty()) {
        continue;
      }
      var statistics = required.computeIfAbsent(site.get(), _ -> EnumSet.of(Statistic.GRAM));
      levels.values().stream()
          .flatMap(entries -> Optional.ofNullable(entries.get(layer.address())).stream())
          .forEach(entry -> statistics.addAll(entry.requires()));
    }
    return required;
  }

  /** Everything that decides the bytes of a level. */
  String text(String level) {
    var text = new StringBuilder(target.name()).append(' ').append(level);
    for (var entry : levels.get(level).values()) {
      var made = entry.level().orElseThrow();
      text.append('\n')
          .append(entry.name())
          .append(' ')
          .append(entry.encoding().label())
          .append(made.solver().getClass().getName())
          .append(made.config());
    }
    return text.toString();
  }

  /** What a level's name did not say, one sentence each. */
  List<String> notes() {
    return List.copyOf(notes);
  }
}
