package ai.lathe.cli;

import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Pattern;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Several sparsities to compare. */
final class SparsityOptions {

  @Option(
      names = "--sparsities",
      split = ",",
      paramLabel = "SHARE",
      description =
          "Compare ways of pruning: what 'lathe compress --sparsity' takes, several. With --schemes"
              + " the weights that stay are rounded too.")
  private List<String> shares = List.of();

  @Option(
      names = "--pattern",
      split = ",",
      paramLabel = "PATTERN",
      description =
          "What 'lathe compress --pattern' takes, several: n:m by itself, blocks at each of the"
              + " --sparsities.")
  private List<String> patterns = List.of();

  boolean given() {
    return !shares.isEmpty() || !patterns.isEmpty();
  }

  /** Those of any pattern first, then n:m. */
  List<Sparsity> all() {
    var fixed = new ArrayList<Sparsity>();
    var free = new ArrayList<Pattern>();
    for (var text : patterns) {
      var pattern = Pattern.parse(text);
      if (pattern instanceof Pattern.SemiStructured) {
        fixed.add(Sparsity.of(Optional.empty(), pattern));
      } else {
        free.add(pattern);
      }
    }
    if (free.isEmpty()) {
      free.add(Pattern.UNSTRUCTURED);
    } else if (shares.isEmpty()) {
      throw new LatheException(
          "--pattern %s needs --sparsities, for example 0.5,0.7"
              .formatted(free.getFirst().label()));
    }
    var all = new ArrayList<Sparsity>();
    for (var pattern : free) {
      for (var share : shares) {
        all.add(new Sparsity(PruningOptions.share("--sparsities", share), pattern));
      }
    }
    all.addAll(fixed);
    return all;
  }
}
