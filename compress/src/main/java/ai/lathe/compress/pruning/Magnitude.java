package ai.lathe.compress.pruning;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.Settings;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Matrix;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Magnitude pruning: the weights of the least absolute value become zero, the others stay as they
 * are. A block counts with its Euclidean norm.
 *
 * @see <a href="https://arxiv.org/abs/1506.02626">Han et al., Learning both weights and
 *     connections, 2015</a>
 */
public final class Magnitude implements PruningMethod<Magnitude.Config> {

  private static final String SCOPE = "scope";

  /**
   * @param scope among which weights the smallest are found; without meaning for n:m, which finds
   *     them among {@code m}
   */
  public record Config(Sparsity sparsity, Kept kept, Scope scope) implements SolverConfig {}

  @Override
  public String name() {
    return "magnitude";
  }

  @Override
  public Config config(Sparsity sparsity, Kept kept, Map<String, ?> settings) {
    var given = new Settings("magnitude pruning", settings, List.of(SCOPE));
    return new Config(sparsity, kept, given.choice(SCOPE, Scope.LAYER));
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return config.sparsity().pattern().refusal(rows, columns);
  }

  @Override
  public Encoding encoding(Config config, int rows, int columns) {
    long zeros = Selection.zeros(rows, columns, config.sparsity(), config.scope());
    return config.kept().encoding(config.sparsity(), zeros, rows, columns);
  }

  @Override
  public Set<Statistic> requires() {
    return Set.of();
  }

  @Override
  public Set<Statistic> requires(Config config) {
    return config.kept().requires();
  }

  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    var pruned = new Pruned(layer, statistics);
    return levels.stream()
        .map(
            level -> {
              var mask =
                  Selection.keepGreatest(scores(layer.weight()), level.sparsity(), level.scope());
              return pruned.solution(mask, level.sparsity().pattern(), level.kept());
            })
        .toList();
  }

  /** {@code |W|}. */
  static Matrix scores(Matrix weight) {
    var magnitudes = weight.copy();
    for (int i = 0; i < magnitudes.values().length; i++) {
      magnitudes.values()[i] = Math.abs(magnitudes.values()[i]);
    }
    return magnitudes;
  }
}
