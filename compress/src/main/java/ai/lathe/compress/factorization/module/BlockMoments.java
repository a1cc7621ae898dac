package ai.lathe.compress.factorization.module;

import ai.lathe.compress.factorization.module.ModeGpt.Modules;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.FeatureAccumulator;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.HeadPositions;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchBlock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;

/**
 * What calibration tells of a block's inner features.
 *
 * @param inner Gram matrix of what the last matrix of the feed-forward reads; empty where that is
 *     not narrowed
 * @param heads of attention; empty where they are not narrowed
 */
record BlockMoments(Optional<Matrix> inner, Optional<Heads> heads) {

  /**
   * @param queries {@code [heads * headSize]} sums of squares, rotated as they meet the keys
   * @param keys {@code [keyValueHeads * headSize]} likewise
   * @param values Gram matrix of each value head, {@code [headSize, headSize]}
   */
  record Heads(double[] queries, double[] keys, List<Matrix> values) {}

  /** Runs a block over all states and replaces them by what it gives. */
  static BlockMoments collect(
      Checkpoint model, int block, Modules modules, HiddenStates states, Progress.Task task) {
    try (var collector = new Collector(model, block, modules);
        var _ = new NoGradGuard();
        var layers = TorchBlock.load(model, block)) {
      for (int batch = 0; batch < states.batches(); batch++) {
        try (var _ = new PointerScope()) {
          var padding = states.padding(batch);
          var output =
              layers.forward(
                  states.get(batch),
                  padding,
                  (site, input, real) -> collector.input(site, input, real),
                  (address, tensor) -> collector.output(address, tensor, padding));
          states.set(batch, output);
        }
        task.advance(1);
      }
      return collector.moments();
    }
  }

  /** Bytes that collecting takes at most, the block itself left out. */
  static long bytes(Checkpoint model, Modules modules) {
    long features = model.config().feedForward();
    return modules.feedForward()
        ? GramAccumulator.bytes((int) features) + Float.BYTES * features * features
        : 0;
  }

  private static final class Collector implements AutoCloseable {

    private final int block;
    private final int headSize;
    private final Site down;
    private final Optional<GramAccumulator> inner;
    private final HeadPositions positions;
    private final FeatureAccumulator queries;
    private final FeatureAccumulator keys;
    private final List<GramAccumulator> values;

    Collector(Checkpoint model, int block, Modules modules) {
      var config = model.config();
      this.block = block;
      headSize = config.headSize();
      down = Site.of(model.architecture().parameter(Role.DOWN).reads());
      inner =
          modules.feedForward()
              ? Optional.of(new GramAccumulator(config.feedForward()))
              : Optional.empty();
      positions = new HeadPositions(config, block);
      queries = new FeatureAccumulator(config.heads() * headSize);
      keys = new FeatureAccumulator(config.keyValueHeads() * headSize);
      values =
          modules.attention()
              ? IntStream.range(0, config.keyValueHeads())
                  .mapToObj(_ -> new GramAccumulator(headSize))
                  .toList()
              : List.of();
    }

    void input(Site site, Tensor input, Tensor padding) {
      if (site.equals(down)) {
        inner.ifPresent(gram -> gram.add(input, padding));
      }
    }

    void output(Address address, Tensor output, Tensor padding) {
      if (values.isEmpty()) {
        return;
      }
      switch (address.role()) {
        case QUERY -> queries.add(positions.turned(output, headSize), padding);
        case KEY -> keys.add(positions.turned(output, headSize), padding);
        case VALUE -> {
          for (int h = 0; h < values.size(); h++) {
            values.get(h).add(output.narrow(-1, (long) h * headSize, headSize), padding);
          }
        }
        default -> {
          // Nothing is asked of it.
        }
      }
    }

    BlockMoments moments() {
      inner.ifPresent(gram -> require(gram.tokens()));
      if (values.isEmpty()) {
        return new BlockMoments(inner.map(GramAccumulator::gram), Optional.empty());
      }
      require(Math.min(queries.tokens(), Math.min(keys.tokens(), values.getFirst().tokens())));
      var grams = new ArrayList<Matrix>();
      values.forEach(gram -> grams.add(gram.gram()));
      return new BlockMoments(
          inner.map(GramAccumulator::gram),
          Optional.of(
              new Heads(doubles(queries.squaredNorm()), doubles(keys.squaredNorm()), grams)));
    }

    private void require(long tokens) {
      if (tokens == 0) {
        throw new LatheException(
            "block %d gave NaN or infinity for every calibration sequence".formatted(block));
      }
    }

    private static double[] doubles(float[] values) {
      return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
    }

    @Override
    public void close() {
      inner.ifPresent(GramAccumulator::close);
      values.forEach(GramAccumulator::close);
      positions.close();
    }
  }
}
