package ai.lathe.bench;

import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.report.Report;
import ai.lathe.tensor.Pattern;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Global pruning methods beside each other and beside magnitudes: gradients on one text, the
 * artifact that was written measured on another.
 *
 * <pre>
 * PruningOrder MODEL TEXT EVALUATION-TEXT SAMPLES SEQ-LEN SPARSITY,... METHOD,... [KEY=VALUE,...]
 * </pre>
 *
 * A sparsity may be a pattern, as {@code 2:4}, or have one, as {@code 0.5/1x4}. Settings are those
 * of {@code --prune-option}; one with several values, as {@code damp=1e-7,1e-5}, is swept. {@code
 * magnitude} has one threshold for all layers and none of them. SAMPLES are at least as many as
 * gradients take.
 */
public final class PruningOrder {

  private PruningOrder() {}

  public static void main(String[] arguments) throws IOException {
    var trial = Trial.of(arguments);
    var sweep = sweep(List.of(arguments).subList(7, arguments.length));
    for (var sparsity : arguments[5].split(",")) {
      for (var method : arguments[6].split(",")) {
        if (method.equals("magnitude")) {
          run(trial, method, sparsity, Map.of("scope", "global"));
          continue;
        }
        for (var settings : sweep) {
          run(trial, method, sparsity, settings);
        }
      }
    }
  }

  /** Every combination of the settings' values. */
  private static List<Map<String, Object>> sweep(List<String> settings) {
    var all = new ArrayList<Map<String, Object>>(List.of(Map.of()));
    for (var setting : settings) {
      var pair = setting.split("=", 2);
      var longer = new ArrayList<Map<String, Object>>();
      for (var shorter : all) {
        for (var value : pair[1].split(",")) {
          var one = new TreeMap<>(shorter);
          one.put(pair[0], value);
          longer.add(one);
        }
      }
      all = longer;
    }
    return all;
  }

  private static void run(Trial trial, String method, String sparsity, Map<String, Object> settings)
      throws IOException {
    long start = System.nanoTime();
    var report = trial.run(Recipe.pruning(method, sparsity(sparsity), settings));
    System.out.printf(
        Locale.ROOT,
        "%s %s %s: %s; %.1f s, %.2f GB at the peak so far%n",
        method,
        sparsity,
        settings,
        words(report),
        (System.nanoTime() - start) * 1e-9,
        Machine.peakMemory() / 1e9);
  }

  private static Sparsity sparsity(String text) {
    var parts = text.split("/");
    if (text.contains(":")) {
      return Sparsity.of(Optional.empty(), Pattern.parse(text));
    }
    var pattern = parts.length > 1 ? Pattern.parse(parts[1]) : Pattern.UNSTRUCTURED;
    return new Sparsity(Double.parseDouble(parts[0]), pattern);
  }

  private static String words(Report report) {
    return switch (report.quality()) {
      case Measurement.Language language ->
          String.format(
              Locale.ROOT,
              "KL %.4f, perplexity %.3f (%.3f)",
              language.kl(),
              language.perplexity(),
              language.referencePerplexity());
      case Measurement.Embedding embedding ->
          String.format(
              Locale.ROOT, "1 - cosine %.5f%s", 1 - embedding.cosine(), masked(embedding));
    };
  }

  private static String masked(Measurement.Embedding embedding) {
    var masked = embedding.masked();
    return masked == null
        ? ""
        : String.format(
            Locale.ROOT,
            ", masked tokens: KL %.4f, perplexity %.3f (%.3f)",
            masked.kl(),
            masked.perplexity(),
            masked.referencePerplexity());
  }
}
