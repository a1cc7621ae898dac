package ai.lathe.model;

import ai.lathe.format.FormatException;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Which rotary pairs the narrower query and key heads of a block still have. Pair {@code i} of an
 * original head of {@code d} features is its features {@code i} and {@code i + d / 2}, which turn
 * by frequency {@code i}; a head that keeps {@code n} of them has the first features of all, in
 * this order, then the second ones. Query heads keep what the key head has that they attend to.
 *
 * @param kept original indices for each key-value head, ascending, as many for each
 */
public record RotaryPairs(List<List<Integer>> kept) {

  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  public RotaryPairs {
    kept = kept.stream().map(List::copyOf).toList();
    if (kept.stream().mapToInt(List::size).distinct().count() != 1) {
      throw new LatheException("every head of keys keeps as many rotary pairs as the others");
    }
  }

  /** Those of a block; empty where its query and key heads are whole or positions are learned. */
  public static Optional<RotaryPairs> of(Checkpoint model, int block) {
    if (!model.config().keepsPairs(block)) {
      return Optional.empty();
    }
    var address = Address.weight(block, Role.ROTARY_PAIRS);
    var stored =
        model
            .vector(address)
            .orElseThrow(() -> new LatheException("the model lacks " + model.name(address)));
    return Optional.of(read(stored, model.config(), block, model.name(address)));
  }

  /**
   * Those that a tensor holds.
   *
   * @param stored {@code [key-value heads, key size / 2]} I32
   * @param name what messages call the tensor
   * @throws FormatException where a block of this model cannot have kept these
   */
  public static RotaryPairs read(Tensor stored, ModelConfig config, int block, String name) {
    int heads = config.keyValueHeads();
    int each = config.widths(block).keySize() / 2;
    int all = config.headSize() / 2;
    if (stored.dtype() != DType.I32 || !Arrays.equals(stored.shape(), new long[] {heads, each})) {
      throw new FormatException(
          "%s should be I32[%d, %d], not %s".formatted(name, heads, each, stored));
    }
    var kept = new ArrayList<List<Integer>>();
    for (int head = 0; head < heads; head++) {
      var pairs = new ArrayList<Integer>();
      long last = -1;
      for (int i = 0; i < each; i++) {
        long pair = stored.getLong((long) head * each + i);
        if (pair <= last || pair >= all) {
          throw new FormatException(
              "%s should hold ascending rotary pairs from 0 to %d for each head, not %d after %d"
                  .formatted(name, all - 1, pair, last));
        }
        pairs.add((int) pair);
        last = pair;
      }
      kept.add(pairs);
    }
    return new RotaryPairs(kept);
  }

  /** As {@link #read} takes it. */
  public Tensor tensor() {
    int each = kept.getFirst().size();
    var data = MemorySegment.ofArray(new byte[kept.size() * each * Integer.BYTES]);
    for (int head = 0; head < kept.size(); head++) {
      for (int i = 0; i < each; i++) {
        data.set(INT, (long) (head * each + i) * Integer.BYTES, kept.get(head).get(i));
      }
    }
    return new Tensor(DType.I32, new long[] {kept.size(), each}, data);
  }
}
