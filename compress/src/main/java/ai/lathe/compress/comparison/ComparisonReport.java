package ai.lathe.compress.comparison;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.report.Report;
import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonInclude.Include;
import java.util.List;

/**
 * What a comparison measured. Its JSON form is {@code comparison.json}.
 *
 * @param version of Lathe
 * @param originalBytes files of the model
 * @param referencePerplexity of the model itself on the same text; null for an encoder
 */
@JsonInclude(Include.NON_NULL)
public record ComparisonReport(
    String version,
    String model,
    String calibration,
    String evaluation,
    int samples,
    long seed,
    long originalBytes,
    Double referencePerplexity,
    List<Row> rows) {

  /**
   * One cell. Everything but its name is null where it was refused.
   *
   * @param refused why it cannot be done, in one sentence; null where it was
   * @param bytes files of the artifact
   * @param bitsPerWeight of all matrices
   * @param compressedBitsPerWeight of those that the method compressed, scales and all
   * @param kl mean, in nats, against the model; null for an encoder, like the next three
   * @param cosine mean, of sentence embeddings with the model's; null for a decoder
   * @param fallbacks layers that did not get what was asked for
   * @param seconds that compressing took, measuring excluded
   */
  @JsonInclude(Include.NON_NULL)
  public record Row(
      String method,
      String scheme,
      String refused,
      Long bytes,
      Double bitsPerWeight,
      Double compressedBitsPerWeight,
      Double kl,
      Double ear,
      Double top1,
      Double perplexity,
      Double referencePerplexity,
      Double cosine,
      Integer fallbacks,
      Double seconds) {

    static Row refused(String method, String scheme, String why) {
      return new Row(
          method, scheme, why, null, null, null, null, null, null, null, null, null, null, null);
    }

    static Row of(String method, String scheme, Report report) {
      var size = report.size();
      var language = report.quality() instanceof Measurement.Language l ? l : null;
      var embedding = report.quality() instanceof Measurement.Embedding e ? e : null;
      return new Row(
          method,
          scheme,
          null,
          size.artifactBytes(),
          size.bitsPerWeight(),
          size.quantizedBitsPerWeight(),
          language == null ? null : language.kl(),
          language == null ? null : language.ear(),
          language == null ? null : language.top1(),
          language == null ? null : language.perplexity(),
          language == null ? null : language.referencePerplexity(),
          embedding == null ? null : embedding.cosine(),
          report.fallbacks().size(),
          report.seconds().getOrDefault("compress", 0.0));
    }

    /** What one wants small: the KL divergence, or one minus the cosine; NaN where refused. */
    @JsonIgnore
    public double loss() {
      return kl != null ? kl : cosine != null ? 1 - cosine : Double.NaN;
    }
  }
}
