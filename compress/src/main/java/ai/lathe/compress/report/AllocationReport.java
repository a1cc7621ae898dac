package ai.lathe.compress.report;

import ai.lathe.compress.allocation.Allocator;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * How the levels of a mixture were chosen.
 *
 * @param allocator by name
 * @param target what was asked for, in words, for example {@code 3.8 bits per weight}
 * @param measure of the losses that were added up, by name; of a search the name of its fitness
 * @param loss of what was chosen, as the allocator judges
 * @param bound that no choice's loss is below; null where the allocator cannot tell
 * @param budgetBytes that the units together might take; of a budget of time what they take
 * @param bytes that they take
 * @param choices one a unit, in order of execution
 * @param points other artifacts, to set this one beside
 * @param history of a search, oldest first; empty where there was none
 * @param kind of target: {@code size}, {@code bits_per_weight}, {@code kl}, {@code ear}, {@code
 *     perplexity_ratio}, {@code speedup} or {@code prefill_speedup}
 * @param value that was asked for, of that kind
 * @param database the directory of the levels
 * @param budgetNanoseconds that the units together might take of a token's time; null where the
 *     budget was one of bytes
 * @param probes what was measured on the way to a target of fidelity or speed, oldest first
 */
@JsonInclude(Include.NON_NULL)
public record AllocationReport(
    String allocator,
    String target,
    String measure,
    double loss,
    Double bound,
    long budgetBytes,
    long bytes,
    List<Choice> choices,
    List<Point> points,
    List<Allocator.Step> history,
    String kind,
    double value,
    String database,
    Long budgetNanoseconds,
    List<Probe> probes) {

  public AllocationReport {
    choices = choices == null ? List.of() : List.copyOf(choices);
    points = points == null ? List.of() : List.copyOf(points);
    history = history == null ? List.of() : List.copyOf(history);
    probes = probes == null ? List.of() : List.copyOf(probes);
  }

  /**
   * What one unit was given.
   *
   * @param unit by the name of its first member
   * @param block that it stands in; -1 outside blocks
   * @param members names, as those of {@link LayerReport}
   * @param options that it might have been given, in ascending order of bytes; the last is the
   *     original
   */
  public record Choice(
      String unit,
      int block,
      List<String> members,
      String level,
      String encoding,
      long bytes,
      long weights,
      List<Option> options) {

    public Choice {
      Objects.requireNonNull(level, "a choice without a level");
      Objects.requireNonNull(encoding, "a choice without an encoding");
      members = List.copyOf(members);
      options = options == null ? List.of() : List.copyOf(options);
    }
  }

  /**
   * A level that a unit might have been given.
   *
   * @param losses by measure, in lower case
   * @param nanoseconds of a token's time; null where nobody measured
   */
  @JsonInclude(Include.NON_NULL)
  public record Option(
      String level,
      String encoding,
      long bytes,
      double sparsity,
      Map<String, Double> losses,
      Long nanoseconds) {}

  /**
   * Another artifact of the same model.
   *
   * @param name for people, for example {@code uniform W4A16}
   * @param kind what it is there for
   * @param bytes of the whole artifact
   * @param kl mean divergence in nats; null where it was not measured
   * @param ear expected acceptance rate; null where it was not measured
   * @param predicted the sum of its units' losses by the allocation's measure; null where some have
   *     none
   */
  @JsonInclude(Include.NON_NULL)
  public record Point(String name, Kind kind, long bytes, Double kl, Double ear, Double predicted) {

    public Point {
      Objects.requireNonNull(name, "a point without a name");
      Objects.requireNonNull(kind, "a point without a kind");
    }

    public enum Kind {
      /** One level for all units. */
      UNIFORM,
      /** Tried on the way to the target. */
      TRIED
    }
  }

  /**
   * A choice that was measured on the way.
   *
   * @param on {@code search text}, {@code held-out text} (the reopened artifact), or {@code
   *     decoding}
   * @param bytes of all units
   * @param artifactBytes of the whole artifact
   * @param metric as {@link AllocationReport#kind}
   * @param limit that the value was held against
   */
  public record Probe(
      String on,
      long bytes,
      long artifactBytes,
      String metric,
      double value,
      double limit,
      boolean met) {}
}
