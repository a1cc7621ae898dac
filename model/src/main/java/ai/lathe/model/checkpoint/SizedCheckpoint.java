package ai.lathe.model.checkpoint;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.Pooling;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model of BitStack weights at a size chosen now: of each weight the first blocks, as many as
 * fit. Every weight has one; then all get a second, in order of execution, then a third, until the
 * next block would not fit. So a larger size is always a smaller one and some more blocks.
 *
 * @see <a href="https://arxiv.org/abs/2410.23918">Wang et al., BitStack, 2024</a>
 */
public final class SizedCheckpoint implements Checkpoint {

  private final Checkpoint whole;
  private final Map<Address, Integer> blocks = new LinkedHashMap<>();
  private final long bytes;

  /**
   * @param whole closed with this
   * @param size in bytes, of all the model's files
   * @throws LatheException where the model has no such weights, or is larger with one block each
   */
  public SizedCheckpoint(Checkpoint whole, long size) {
    this.whole = whole;
    var stacks = new LinkedHashMap<Address, Encoding.Sum>();
    long left = whole.bytes();
    int most = 0;
    for (var address : whole.addresses()) {
      if (CheckpointWriters.isMatrix(whole, address)
          && whole.matrix(address).encoding() instanceof Encoding.Sum stack
          && stack.parts().getFirst() instanceof Encoding.SignedLowRank) {
        stacks.put(address, stack);
        blocks.put(address, 1);
        left -= (stack.parts().size() - 1) * block(address, stack);
        most = Math.max(most, stack.parts().size());
      }
    }
    if (stacks.isEmpty()) {
      throw new LatheException(
          "only a model compressed with --method bitstack has a size to choose, not one stored as "
              + whole.format());
    }
    if (left > size) {
      throw new LatheException(
          "%d bytes are too few: with one block a weight the model has %d".formatted(size, left));
    }
    bytes = fill(stacks, most, left, size);
  }

  /** Adds blocks, level by level. @return the size with them */
  private long fill(Map<Address, Encoding.Sum> stacks, int most, long least, long size) {
    long used = least;
    for (int level = 1; level < most; level++) {
      for (var stack : stacks.entrySet()) {
        if (level < stack.getValue().parts().size()) {
          used += block(stack.getKey(), stack.getValue());
          if (used > size) {
            return used - block(stack.getKey(), stack.getValue());
          }
          blocks.put(stack.getKey(), level + 1);
        }
      }
    }
    return used;
  }

  private long block(Address address, Encoding.Sum stack) {
    var shape = whole.config().shape(whole.architecture(), address);
    return stack.parts().getFirst().bytes((int) shape[0], (int) shape[1]);
  }

  /** How many blocks of each weight are taken, in order of execution. */
  public Map<Address, Integer> blocks() {
    return Map.copyOf(blocks);
  }

  @Override
  public LinearWeight matrix(Address address) {
    var weight = whole.matrix(address);
    var taken = blocks.get(address);
    return taken != null && weight instanceof Sum(var parts)
        ? new Sum(parts.subList(0, taken))
        : weight;
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public String format() {
    int taken = blocks.values().stream().mapToInt(Integer::intValue).sum();
    return "%s, %d blocks of %d weights".formatted(whole.format(), taken, blocks.size());
  }

  @Override
  public Architecture architecture() {
    return whole.architecture();
  }

  @Override
  public ModelConfig config() {
    return whole.config();
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return whole.tokenizer();
  }

  @Override
  public List<Address> addresses() {
    return whole.addresses();
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    return whole.vector(address);
  }

  @Override
  public String name(Address address) {
    return whole.name(address);
  }

  @Override
  public Map<String, byte[]> companions() {
    return whole.companions();
  }

  @Override
  public Pooling pooling() {
    return whole.pooling();
  }

  @Override
  public void release(int block) {
    whole.release(block);
  }

  @Override
  public void close() {
    whole.close();
  }
}
