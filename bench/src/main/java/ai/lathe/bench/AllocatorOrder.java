package ai.lathe.bench;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocators;
import ai.lathe.compress.allocation.Fitness;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.database.LevelDatabase;
import ai.lathe.compress.search.FitnessSettings;
import ai.lathe.compress.search.ModelFitness;
import ai.lathe.eval.data.TextData;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.Progress;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;

/**
 * Allocators beside each other on one level database: what they find with losses and a search on
 * one text, measured on another. Nothing is written; layers are stitched as they would be.
 *
 * <pre>
 * AllocatorOrder MODEL DATABASE SEARCH-TEXT EVALUATION-TEXT SAMPLES SEQ-LEN BITS,... MEASURE,... ALLOCATOR[:KEY=VALUE,...]...
 * </pre>
 */
public final class AllocatorOrder {

  private static final long SEED = 1;

  private AllocatorOrder() {}

  public static void main(String[] arguments) {
    try (var model = Checkpoints.open(Path.of(arguments[0]));
        var levels = LevelDatabase.open(Path.of(arguments[1]), model)) {
      var texts =
          Texts.take(
              model.architecture().kind(),
              model.tokenizer().orElseThrow(),
              TextData.open(Path.of(arguments[2]), "text"),
              Optional.of(TextData.open(Path.of(arguments[3]), "text")),
              true,
              Integer.parseInt(arguments[4]),
              Integer.parseInt(arguments[5]),
              SEED);
      var settings = FitnessSettings.divergence();
      try (var searched = new ModelFitness(model, levels, texts.calibration(), settings);
          var judged = new ModelFitness(model, levels, texts.evaluation(), settings);
          var batch = judged.draw((int) judged.tokens(), new SplittableRandom(SEED))) {
        System.out.printf(
            "%d tokens to search on, %d to measure on, %d units%n",
            searched.tokens(), judged.tokens(), levels.table().units().size());
        System.out.println(
            "| bits | losses | allocator | bits used | KL, searched text | KL, held out | s | notes |\n|---|---|---|---|---|---|---|---|");
        for (var bits : arguments[6].split(",")) {
          for (var measure : arguments[7].split(",")) {
            for (var how : List.of(arguments).subList(8, arguments.length)) {
              measure(levels, searched, batch, Double.parseDouble(bits), measure, how);
            }
          }
        }
      }
    }
  }

  private static void measure(
      LevelDatabase levels,
      ModelFitness searched,
      Fitness.Batch heldOut,
      double bits,
      String measure,
      String how) {
    var words = how.split(":", 2);
    var settings = new TreeMap<String, Object>();
    if (words.length > 1) {
      for (var pair : words[1].split(",")) {
        settings.put(pair.substring(0, pair.indexOf('=')), pair.substring(pair.indexOf('=') + 1));
      }
    }
    var table = levels.table();
    var problem =
        new Problem(
            table,
            table.bytes(),
            (long) (bits * table.weights() / 8),
            table.losses(Measure.valueOf(measure.toUpperCase(Locale.ROOT))),
            Optional.of(searched),
            SEED,
            Progress.NONE);
    long begun = System.nanoTime();
    var result = Allocators.named(words[0], settings).allocate(problem);
    double seconds = (System.nanoTime() - begun) * 1e-9;
    Allocation chosen = result.allocation();
    double onSearched;
    try (var all = searched.draw((int) searched.tokens(), new SplittableRandom(SEED))) {
      onSearched = all.loss(chosen);
    }
    System.out.printf(
        Locale.ROOT,
        "| %.2f | %s | %s | %.4f | %.5f | %.5f | %.1f | %s |%n",
        bits,
        measure,
        how,
        8.0 * chosen.cost(table.bytes()) / table.weights(),
        onSearched,
        heldOut.loss(chosen),
        seconds,
        String.join("; ", result.notes()));
  }
}
