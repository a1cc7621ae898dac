package ai.lathe.compress.quantization;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.compress.layer.Solution;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.linalg.Hadamard;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * MR-GPTQ: GPTQ on inputs rotated in blocks, made for FP4. A block-diagonal Hadamard matrix {@code
 * Hb} spreads large values over their block, so that the few levels of a group serve all of it:
 *
 * <pre>
 *   W' = W Hb      H' = Hb H Hb      Q = GPTQ(W', H'), all scales fixed first      y = Q (Hb x)
 * </pre>
 *
 * Inputs that are rounded are so after they are rotated.
 *
 * @see <a href="https://arxiv.org/abs/2509.23202">Egiazarian et al., Bridging the Gap Between
 *     Promise and Performance for Microscaling FP4 Quantization, 2025</a>
 */
public final class MrGptq implements QuantizationMethod<MrGptq.Config> {

  private static final String SIZE = "transform_block_size";
  private static final int LARGEST = 128;
  private static final int SMALLEST = 16;

  private final Gptq gptq = new Gptq();

  /**
   * @param size inputs of a Hadamard block, a power of two
   */
  public record Config(int size, Gptq.Config gptq) implements SolverConfig {

    public Config {
      if (size < SMALLEST || size > 1024 || Integer.bitCount(size) != 1) {
        throw new LatheException(
            "MR-GPTQ's %s is a power of two from %d to 1024, not %d"
                .formatted(SIZE, SMALLEST, size));
      }
    }

    @Override
    public boolean ordersColumns() {
      return gptq.ordersColumns();
    }
  }

  @Override
  public String name() {
    return "mr-gptq";
  }

  @Override
  public Config config(Grid grid, Map<String, ?> settings) {
    var rest = new HashMap<String, Object>(settings);
    var own = new HashMap<String, Object>();
    if (rest.containsKey(SIZE)) {
      own.put(SIZE, rest.remove(SIZE));
    }
    int size = new Settings("MR-GPTQ", own, List.of(SIZE)).integer(SIZE, LARGEST);
    return new Config(size, gptq.config(grid, rest));
  }

  /** The largest block that divides the row, down from the one asked for. */
  @Override
  public Config fitted(int rows, int columns, Config config) {
    int size = Math.min(config.size, Math.max(SMALLEST, Integer.lowestOneBit(columns)));
    return new Config(size, config.gptq);
  }

  @Override
  public Optional<String> refusal(int rows, int columns, Config config) {
    return columns % config.size == 0
        ? Optional.empty()
        : Optional.of(
            "Hadamard blocks of %d do not divide rows of %d".formatted(config.size, columns));
  }

  @Override
  public Encoding encoding(Grid grid, Config config) {
    return new Encoding.Rotated(config.size, gptq.encoding(grid, config.gptq));
  }

  @Override
  public Set<Statistic> requires() {
    return gptq.requires();
  }

  /** Levels of one block size are solved together. */
  @Override
  public List<Solution> solve(Layer layer, LayerStatistics statistics, List<Config> levels) {
    layer.requireFinite();
    statistics.requireFinite(layer.name());
    var solutions = new ArrayList<Solution>(java.util.Collections.nCopies(levels.size(), null));
    for (int size : levels.stream().map(Config::size).distinct().toList()) {
      var indices =
          java.util.stream.IntStream.range(0, levels.size())
              .filter(i -> levels.get(i).size == size)
              .boxed()
              .toList();
      var solved =
          gptq.solve(
              rotated(layer, size),
              rotated(layer.name(), statistics, size),
              indices.stream().map(i -> levels.get(i).gptq).toList());
      for (int i = 0; i < indices.size(); i++) {
        var inner = solved.get(i);
        solutions.set(
            indices.get(i), new Solution(new Rotated(size, inner.weight()), inner.fallbacks()));
      }
    }
    return solutions;
  }

  private static Layer rotated(Layer layer, int size) {
    var weight = layer.weight().copy();
    Hadamard.rotateInputs(weight, size);
    return new Layer(layer.name(), weight);
  }

  private static LayerStatistics rotated(String name, LayerStatistics statistics, int size) {
    var gram =
        statistics
            .gram()
            .orElseThrow(() -> new LatheException(name + ": MR-GPTQ needs a Gram matrix"))
            .copy();
    Hadamard.rotateGram(gram, size);
    return LayerStatistics.of(statistics.tokens(), gram);
  }
}
