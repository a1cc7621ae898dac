package ai.lathe.compress.allocation;

import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.LatheException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Allocators by the names that {@code --allocator} takes, and their settings. */
public final class Allocators {

  /** Ways to choose, the baselines first. */
  private static final Map<String, Entry> ALL = entries();

  private record Entry(List<String> keys, Function<Settings, Allocator> read) {}

  private Allocators() {}

  private static Map<String, Entry> entries() {
    var all = new LinkedHashMap<String, Entry>();
    all.put("uniform", new Entry(List.of(), _ -> new Uniform()));
    all.put("random", new Entry(RandomSearch.KEYS, RandomSearch::read));
    all.put("owl", new Entry(Owl.KEYS, Owl::read));
    all.put("llama.cpp", new Entry(LlamaCpp.KEYS, LlamaCpp::read));
    all.put("greedy", new Entry(List.of(), _ -> new Greedy()));
    all.put("knapsack", new Entry(Knapsack.KEYS, Knapsack::read));
    all.put("families", new Entry(Families.KEYS, Families::read));
    all.put("lgreco", new Entry(LGreco.KEYS, LGreco::read));
    all.put("spdy", new Entry(Spdy.KEYS, Spdy::read));
    all.put("slq", new Entry(Slq.KEYS, Slq::read));
    all.put("evopress", new Entry(EvoPress.KEYS, EvoPress::read));
    return Collections.unmodifiableMap(all);
  }

  /** One of each kind, with its usual settings. */
  public static List<Allocator> all() {
    return names().stream().map(name -> named(name, Map.of())).toList();
  }

  public static List<String> names() {
    return List.copyOf(ALL.keySet());
  }

  /**
   * @param settings by name; those not given are the usual ones
   * @throws LatheException where a name or a setting is unknown, with the nearest valid one
   */
  public static Allocator named(String name, Map<String, ?> settings) {
    var entry = ALL.get(name);
    if (entry == null) {
      throw LatheException.unknown("allocator", name, names());
    }
    return entry.read().apply(new Settings(name, settings, entry.keys()));
  }
}
