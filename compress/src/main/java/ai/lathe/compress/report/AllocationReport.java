package ai.lathe.compress.report;

import ai.lathe.compress.allocation.Allocator;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import java.util.List;

/**
 * How the levels of a mixture were chosen.
 *
 * @param allocator by name
 * @param target what was asked for, in words, for example {@code 3.8 bits per weight}
 * @param measure of the losses that were added up, by name; of a search the name of its fitness
 * @param loss of what was chosen, as the allocator judges
 * @param bound that no choice's loss is below; null where the allocator cannot tell
 * @param budgetBytes that the units together might take
 * @param bytes that they take
 * @param choices one a unit, in order of execution
 * @param points other artifacts, to set this one beside
 * @param history of a search, oldest first; empty where there was none
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
    List<Allocator.Step> history) {

  public AllocationReport {
    choices = choices == null ? List.of() : List.copyOf(choices);
    points = points == null ? List.of() : List.copyOf(points);
    history = history == null ? List.of() : List.copyOf(history);
  }

  /**
   * What one unit was given.
   *
   * @param unit by the name of its first member
   * @param block that it stands in; -1 outside blocks
   * @param members names, as those of {@link LayerReport}
   */
  public record Choice(
      String unit,
      int block,
      List<String> members,
      String level,
      String encoding,
      long bytes,
      long weights) {}

  /**
   * Another artifact of the same model, measured on the same text.
   *
   * @param name for people, for example {@code uniform W4A16}
   * @param kind what it is there for
   * @param bytes of the whole artifact
   * @param kl mean divergence in nats; null where it was not measured
   * @param ear expected acceptance rate; null where it was not measured
   */
  @JsonInclude(Include.NON_NULL)
  public record Point(String name, Kind kind, long bytes, Double kl, Double ear) {

    public enum Kind {
      /** One level for all units. */
      UNIFORM,
      /** Tried on the way to the target. */
      TRIED
    }
  }
}
