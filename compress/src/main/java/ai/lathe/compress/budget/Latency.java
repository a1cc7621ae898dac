package ai.lathe.compress.budget;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Budget.Phase;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.format.Json;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Where the time of a token goes on this machine, read or written: in each unit at each of its
 * options, and elsewhere (attention, norms, the head). Measured in whole models, one a level, each
 * run as it serves; of layers with the same role, shape and encoding in several blocks the median.
 *
 * @param machine of {@link Stopwatch#machine}
 * @param subject a hash of the levels and of what is outside of them
 */
public record Latency(String machine, String subject, Map<Phase, Times> phases) {

  /**
   * In one phase.
   *
   * @param units nanoseconds, {@code [unit][option]}
   * @param rest nanoseconds of everything else
   * @param original nanoseconds of a token of the original
   */
  public record Times(long[][] units, long rest, long original) {

    /** Nanoseconds of a token of the artifact, as predicted. */
    public long token(Allocation allocation) {
      return rest + allocation.cost(units);
    }

    /** How many times as fast as the original, as predicted. */
    public double speedup(Allocation allocation) {
      return (double) original / token(allocation);
    }
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /** In the directory of a level database. */
  public static final String FILE = "latency.json";

  /** What makes two layers take as long. */
  private record Kind(Role role, int rows, int columns, String encoding) {}

  /** Those that were measured here before, of the same models. */
  public static Optional<Latency> read(Path file, Stopwatch stopwatch, Mixture mixture) {
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    try {
      var known = JSON.readValue(file.toFile(), Latency.class);
      return Optional.of(known).filter(one -> one.fits(stopwatch, mixture));
    } catch (JsonProcessingException e) {
      // Damaged, or of another version: it is only a saving of time.
      return Optional.empty();
    } catch (IOException e) {
      throw new LatheException("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  private boolean fits(Stopwatch stopwatch, Mixture mixture) {
    return stopwatch.machine().equals(machine)
        && subject(mixture).equals(subject)
        && phases != null
        && phases.keySet().equals(Set.of(Phase.values()))
        && phases.values().stream()
            .allMatch(times -> times.units() != null && fits(times, mixture));
  }

  private static boolean fits(Times times, Mixture mixture) {
    return Arrays.stream(times.units()).mapToInt(unit -> unit.length).sum()
        == mixture.table().units().stream().mapToInt(unit -> unit.options().size()).sum();
  }

  public void write(Path file) {
    Json.write(file, JSON.valueToTree(this));
  }

  private static String subject(Mixture mixture) {
    return Fingerprint.ofText(mixture.table() + mixture.outside());
  }

  /**
   * Runs the original and one model a level.
   *
   * @param messages told of each level
   */
  public static Latency measure(
      Checkpoint source, Mixture mixture, Stopwatch stopwatch, Consumer<String> messages) {
    var table = mixture.table();
    var original = stopwatch.times(source);
    var measured = new EnumMap<Phase, Measured>(Phase.class);
    for (var phase : Phase.values()) {
      measured.put(phase, new Measured(new HashMap<>(), new ArrayList<>()));
    }
    for (var level : AllocationReports.levels(table)) {
      var view = mixture.view(AllocationReports.uniform(table, level));
      stopwatch
          .times(view)
          .forEach(
              (phase, time) -> {
                double inUnits = measured.get(phase).add(table, view, time);
                messages.accept(
                    "%s at %s: %,.1f microseconds a token, %,.1f of them in its layers"
                        .formatted(
                            phase.name().toLowerCase(Locale.ROOT),
                            level,
                            time.token() / 1000,
                            inUnits / 1000));
              });
    }
    var phases = new EnumMap<Phase, Times>(Phase.class);
    measured.forEach(
        (phase, all) ->
            phases.put(
                phase,
                new Times(
                    units(table, mixture, all.medians()),
                    Math.round(median(all.rests())),
                    Math.round(original.get(phase).token()))));
    return new Latency(stopwatch.machine(), subject(mixture), phases);
  }

  /**
   * What is known of a phase.
   *
   * @param kinds nanoseconds of a token in layers of a kind
   * @param rests nanoseconds of a token outside units, one a level
   */
  private record Measured(Map<Kind, List<Double>> kinds, List<Double> rests) {

    /** Nanoseconds in the units of a model at one level. */
    double add(LevelTable table, Checkpoint view, Stopwatch.Time time) {
      double inUnits = 0;
      for (int u = 0; u < table.units().size(); u++) {
        for (var member : table.units().get(u).members()) {
          double took = time.matrices().getOrDefault(member, 0.0);
          inUnits += took;
          var kind = kind(view, member);
          kinds.computeIfAbsent(kind, _ -> new ArrayList<>()).add(took);
        }
      }
      rests.add(time.token() - inUnits);
      return inUnits;
    }

    Map<Kind, Double> medians() {
      var medians = new HashMap<Kind, Double>();
      kinds.forEach((kind, all) -> medians.put(kind, median(all)));
      return medians;
    }
  }

  private static long[][] units(LevelTable table, Mixture mixture, Map<Kind, Double> medians) {
    var units = new long[table.units().size()][];
    for (int u = 0; u < units.length; u++) {
      units[u] = new long[table.units().get(u).options().size()];
    }
    for (var level : AllocationReports.levels(table)) {
      var allocation = AllocationReports.uniform(table, level);
      var view = mixture.view(allocation);
      for (int u = 0; u < units.length; u++) {
        double sum = 0;
        for (var member : table.units().get(u).members()) {
          sum += medians.get(kind(view, member));
        }
        units[u][allocation.choice(u)] = Math.round(sum);
      }
    }
    return units;
  }

  private static Kind kind(Checkpoint view, Address member) {
    var weight = view.matrix(member);
    return new Kind(member.role(), weight.rows(), weight.columns(), weight.encoding().label());
  }

  private static double median(List<Double> values) {
    var sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    return sorted[sorted.length / 2];
  }
}
