package ai.lathe.compress.report;

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
 * @param fallbacks what did not go as configured, layer by layer
 * @param quality measures of the reopened artifact against the original, by name; empty where
 *     nothing could be measured (a note says why)
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
    Map<String, Object> quality,
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
   */
  public record Size(
      long originalBytes,
      long artifactBytes,
      double ratio,
      long weights,
      double bitsPerWeight,
      double quantizedBitsPerWeight) {}

  /**
   * One compressed matrix.
   *
   * @param relativeError {@code tr((W-Q) H (W-Q)^T) / tr(W H W^T)}; with {@code H = I} where
   *     nothing was calibrated
   * @param calibrated whether H is of calibration data
   */
  public record LayerReport(
      String name,
      int rows,
      int columns,
      String encoding,
      long bytes,
      double relativeError,
      boolean calibrated,
      double seconds,
      List<String> fallbacks) {}
}
