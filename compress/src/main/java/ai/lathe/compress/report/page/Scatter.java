package ai.lathe.compress.report.page;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * Loss against size, with a line through those points that no other one beats in both.
 *
 * @param measure what is lost, for example {@code KL divergence (nats)}
 * @param originalBytes of the model itself, which loses nothing
 * @param points at least one
 * @param front indices of points that are not beaten, by size
 */
public record Scatter(String measure, long originalBytes, List<Point> points, List<Integer> front) {

  static final String ID = "fidelity";
  static final String TITLE = "Fidelity against size";
  private static final String CAPTION =
      "Further left is smaller, further down is more faithful. The dashed line joins the points that"
          + " no other beats in both. The original loses nothing; it stands on the lower edge, since a"
          + " logarithmic scale has no zero.";

  /**
   * One artifact.
   *
   * @param series of points that look alike
   * @param label its name
   * @param named whether the name stands next to the point, where there is room
   * @param details that a reader gets on pointing at it
   */
  public record Point(
      String series, String label, boolean named, long bytes, double loss, List<String> details) {}

  public static Scatter of(String measure, long originalBytes, List<Point> points) {
    var bySize = new ArrayList<Integer>();
    for (int i = 0; i < points.size(); i++) {
      bySize.add(i);
    }
    bySize.sort(
        Comparator.<Integer>comparingLong(i -> points.get(i).bytes())
            .thenComparingDouble(i -> points.get(i).loss()));
    var front = new ArrayList<Integer>();
    double least = Double.POSITIVE_INFINITY;
    for (int i : bySize) {
      if (points.get(i).loss() < least) {
        least = points.get(i).loss();
        front.add(i);
      }
    }
    return new Scatter(measure, originalBytes, List.copyOf(points), List.copyOf(front));
  }

  /** Chart and table. */
  public Section section() {
    return section("");
  }

  /**
   * Likewise.
   *
   * @param below HTML below the chart
   */
  Section section(String below) {
    var table =
        new Table(
            "size and loss of every point", List.of("artifact", "kind", "size", "bytes", measure));
    table.row(
        List.of(
            "original",
            "the model itself",
            Numbers.bytes(originalBytes),
            Numbers.count(originalBytes),
            "0"));
    for (var point : points) {
      table.row(
          List.of(
              point.label(),
              point.series(),
              Numbers.bytes(point.bytes()),
              Numbers.count(point.bytes()),
              Numbers.loss(point.loss())));
    }
    var described =
        "%s against size of %d artifacts; the table below holds them all"
            .formatted(measure, points.size());
    return new Section(
        ID,
        TITLE,
        CAPTION,
        Section.chart(ID, described) + below + table.folded(),
        Map.of(ID, this));
  }
}
