package ai.lathe.compress.report;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.transform.Change;
import java.util.List;
import java.util.Map;

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
 */
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
    Map<String, String> environment) {

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
