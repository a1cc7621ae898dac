package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.NarrowedCheckpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** A model with narrower blocks: random numbers where tensors have another shape than before. */
final class RandomNarrow {

  private final Random random;

  private RandomNarrow(long seed) {
    random = new Random(seed);
  }

  /**
   * @param widths of the blocks, one after the other, and again from the first
   */
  static NarrowedCheckpoint of(Checkpoint source, long seed, BlockWidths... widths) {
    return new RandomNarrow(seed).narrowed(source, widths);
  }

  private NarrowedCheckpoint narrowed(Checkpoint source, BlockWidths... widths) {
    var architecture = source.architecture();
    var all =
        IntStream.range(0, source.config().blocks())
            .mapToObj(block -> widths[block % widths.length])
            .toList();
    var config = source.config().narrowed(architecture, all);
    var matrices = new HashMap<Address, LinearWeight>();
    var vectors = new HashMap<Address, Tensor>();
    for (var address : source.addresses()) {
      var shape = config.shape(architecture, address);
      if (Arrays.equals(shape, source.config().shape(architecture, address))) {
        continue;
      }
      if (address.isVector(architecture)) {
        vectors.put(address, gaussians(0.3, shape));
      } else {
        matrices.put(address, new Dense(gaussians(1 / Math.sqrt(shape[1]), shape)));
      }
    }
    for (int block = 0; block < config.blocks(); block++) {
      if (config.keepsPairs(block)) {
        vectors.put(Address.weight(block, Role.ROTARY_PAIRS), pairs(config, block).tensor());
      }
    }
    return new NarrowedCheckpoint(source, all, matrices, vectors);
  }

  private Tensor gaussians(double deviation, long... shape) {
    var values = new float[(int) Tensor.elements(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return Tensor.ofFloats(values, shape);
  }

  /** Others for each head. */
  private RotaryPairs pairs(ModelConfig config, int block) {
    int each = config.widths(block).keySize() / 2;
    return new RotaryPairs(
        IntStream.range(0, config.keyValueHeads())
            .mapToObj(_ -> some(each, config.headSize() / 2))
            .toList());
  }

  private List<Integer> some(int count, int of) {
    var all = IntStream.range(0, of).boxed().collect(Collectors.toList());
    Collections.shuffle(all, random);
    return all.stream().limit(count).sorted().toList();
  }
}
