package ai.lathe.compress.report;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.transform.Change;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What one compression run did, measured on the artifact that it wrote. Its JSON form is {@code
 * report.json}.
 *
 * @param version of Lathe
 * @param settings everything that decides the result, by option name
 * @param fingerprint hashes of model, data and recipe
 * @param notes decisions that nobody asked for by name
 * @param transforms what was changed before compression, in order of execution
 * @param fallbacks what did not go as configured, layer by layer
 * @param quality of the reopened artifact against the original
 * @param seconds by phase
 * @param peakMemoryBytes most memory that the process held, native memory included
 * @param parts of which the sizes are made up
 * @param allocation how levels were chosen; null where the recipe gave them
 * @param widths what became of the widths of blocks; null where they are the original's
 */
@JsonInclude(Include.NON_NULL)
public record Report(
    String version,
    String model,
    String artifact,
    String format,
    Map<String, Object> settings,
    Map<String, String> fingerprint,
    Size size,
    Measurement quality,
    List<Change> transforms,
    List<LayerReport> layers,
    List<String> fallbacks,
    List<String> notes,
    Map<String, Double> seconds,
    long peakMemoryBytes,
    Map<String, String> environment,
    List<SizePart> parts,
    AllocationReport allocation,
    WidthsReport widths) {

  public Report {
    // Files of older versions lack what came later.
    settings = Objects.requireNonNullElse(settings, Map.of());
    fingerprint = Objects.requireNonNullElse(fingerprint, Map.of());
    transforms = all(transforms);
    layers = all(layers);
    fallbacks = all(fallbacks);
    notes = all(notes);
    seconds = Objects.requireNonNullElse(seconds, Map.of());
    environment = Objects.requireNonNullElse(environment, Map.of());
    parts = all(parts);
  }

  /** The same, and this of how levels were chosen. */
  public Report with(AllocationReport chosen) {
    return with(chosen, widths);
  }

  /** The same, and this of the widths of blocks. */
  public Report with(WidthsReport narrow) {
    return with(allocation, narrow);
  }

  private Report with(AllocationReport chosen, WidthsReport narrow) {
    return new Report(
        version,
        model,
        artifact,
        format,
        settings,
        fingerprint,
        size,
        quality,
        transforms,
        layers,
        fallbacks,
        notes,
        seconds,
        peakMemoryBytes,
        environment,
        parts,
        chosen,
        narrow);
  }

  private static <T> List<T> all(List<T> some) {
    return some == null ? List.of() : List.copyOf(some);
  }

  /**
   * Exact sizes.
   *
   * @param originalBytes files of the original
   * @param artifactBytes files of the artifact, without this report
   * @param bitsPerWeight of all matrices of the artifact, scales included
   * @param quantizedBitsPerWeight of those that a solver compressed
   * @param sparsity share of zeros in those, by pruning
   */
  public record Size(
      long originalBytes,
      long artifactBytes,
      double ratio,
      long weights,
      double bitsPerWeight,
      double quantizedBitsPerWeight,
      double sparsity) {}
}
