package ai.lathe.compress;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Allocator.Result;
import ai.lathe.compress.allocation.Problem;
import ai.lathe.compress.budget.Choice;
import ai.lathe.compress.journal.Fingerprint;
import ai.lathe.compress.journal.Journal;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * What a run with a target found on its way, durable: choices of levels and what was measured of
 * them. A run that goes on after a kill takes the same way, and searches and measures nothing
 * twice.
 */
final class TargetJournal implements AutoCloseable {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String KEY = "key";

  private final Journal journal;
  private final Map<String, JsonNode> found = new HashMap<>();

  private TargetJournal(Journal journal) {
    this.journal = journal;
    journal.steps().forEach(step -> found.put(step.path(KEY).asText(), step));
  }

  /** A choice as it is kept. */
  record Chosen(
      String key,
      List<Integer> choices,
      double loss,
      double bound,
      List<Allocator.Step> history,
      List<String> notes) {}

  /** A measurement as it is kept. */
  record Measured(String key, double loss) {}

  static Path fileFor(Path artifact) {
    return Journal.fileFor(artifact.resolveSibling(artifact.getFileName() + ".target"));
  }

  static TargetJournal open(Path artifact, Fingerprint fingerprint, boolean resume) {
    var file = fileFor(artifact);
    Journal journal =
        resume && Files.exists(file)
            ? Journal.resume(file, fingerprint)
            : Journal.start(file, fingerprint);
    return new TargetJournal(journal);
  }

  /** An allocator that is asked for each budget once. */
  Allocator remembering(Allocator allocator) {
    return new Allocator() {
      @Override
      public String name() {
        return allocator.name();
      }

      @Override
      public boolean searches() {
        return allocator.searches();
      }

      @Override
      public Result allocate(Problem problem) {
        var key =
            "%s within %d of %s"
                .formatted(
                    allocator.name(),
                    problem.budget(),
                    Fingerprint.ofText(Arrays.deepToString(problem.costs())));
        var known = found.get(key);
        if (known != null) {
          var chosen = JSON.convertValue(known, Chosen.class);
          return new Result(
              new Allocation(chosen.choices()),
              chosen.loss(),
              chosen.bound(),
              chosen.history(),
              chosen.notes());
        }
        var result = allocator.allocate(problem);
        append(
            key,
            new Chosen(
                key,
                result.allocation().choices(),
                result.loss(),
                result.bound(),
                result.history(),
                result.notes()));
        return result;
      }
    };
  }

  /**
   * A measurement that is made of each choice once.
   *
   * @param on what is measured on
   */
  ToDoubleFunction<Choice> remembering(String on, ToDoubleFunction<Choice> measure) {
    return choice -> {
      var key = "%s %d %s".formatted(on, choice.artifactBytes(), choice.allocation().choices());
      var known = found.get(key);
      if (known != null) {
        return JSON.convertValue(known, Measured.class).loss();
      }
      double loss = measure.applyAsDouble(choice);
      append(key, new Measured(key, loss));
      return loss;
    };
  }

  private void append(String key, Object step) {
    journal.append(step);
    found.put(key, JSON.valueToTree(step));
  }

  void delete() {
    journal.delete();
  }

  @Override
  public void close() {
    journal.close();
  }
}
