package ai.lathe.compress.report;

import java.util.List;
import java.util.Objects;

/**
 * One compressed matrix.
 *
 * @param bitsPerWeight of what is stored, scales and masks included
 * @param sparsity share of weights that pruning left zero; of a sum or product that of its sparse
 *     part
 * @param relativeError {@code tr((W-Q) H (W-Q)^T) / tr(W H W^T)}, with {@code H = I} where nothing
 *     was calibrated
 * @param calibrated whether H is of calibration data
 * @param fallbacks what did not go as configured
 */
public record LayerReport(
    String name,
    int rows,
    int columns,
    String encoding,
    long bytes,
    double bitsPerWeight,
    double sparsity,
    double relativeError,
    boolean calibrated,
    double seconds,
    List<String> fallbacks) {

  public LayerReport {
    Objects.requireNonNull(name, "a layer without a name");
    Objects.requireNonNull(encoding, "a layer without an encoding");
    fallbacks = fallbacks == null ? List.of() : List.copyOf(fallbacks);
  }
}
