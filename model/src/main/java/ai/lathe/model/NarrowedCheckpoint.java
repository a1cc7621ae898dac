package ai.lathe.model;

import ai.lathe.model.Address.Part;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model with narrower blocks: the weights that other widths need are given, everything else is
 * the source's, which stays the caller's to close.
 */
public final class NarrowedCheckpoint extends CheckpointView {

  private final ModelConfig config;
  private final List<Address> addresses;
  private final Map<Address, LinearWeight> matrices;
  private final Map<Address, Tensor> vectors;

  /**
   * @param widths of each block
   * @param matrices every one that has another shape than the source's, and any other that differs
   * @param vectors likewise, and {@link RotaryPairs#tensor} at {@link Role#ROTARY_PAIRS} of each
   *     block whose query and key heads keep a part of their pairs
   * @throws LatheException where the architecture cannot have such blocks, or a tensor has not the
   *     shape that the widths give it
   */
  public NarrowedCheckpoint(
      Checkpoint source,
      List<BlockWidths> widths,
      Map<Address, ? extends LinearWeight> matrices,
      Map<Address, Tensor> vectors) {
    super(source);
    this.config = source.config().narrowed(source.architecture(), widths);
    this.matrices = new LinkedHashMap<>(matrices);
    this.vectors = new LinkedHashMap<>(vectors);
    this.addresses = addresses(source, config);
    for (var address : addresses) {
      check(address);
    }
    for (int block = 0; block < config.blocks(); block++) {
      // Reads them, and so checks them.
      RotaryPairs.of(this, block);
    }
  }

  /** Kept pairs stand before the output of attention, as in every architecture. */
  private static List<Address> addresses(Checkpoint source, ModelConfig config) {
    var all = new ArrayList<Address>();
    for (var address : source.addresses()) {
      if (address.role() == Role.ROTARY_PAIRS) {
        continue;
      }
      if (address.role() == Role.ATTENTION_OUTPUT
          && address.part() == Part.WEIGHT
          && config.keepsPairs(address.block())) {
        all.add(Address.weight(address.block(), Role.ROTARY_PAIRS));
      }
      all.add(address);
    }
    return List.copyOf(all);
  }

  private void check(Address address) {
    var expected = config.shape(architecture(), address);
    var actual = shape(address);
    if (!Arrays.equals(expected, actual)) {
      throw new LatheException(
          "%s of the narrower model should be %s, not %s"
              .formatted(name(address), Arrays.toString(expected), Arrays.toString(actual)));
    }
  }

  /** Of what was given, or else of the source's, which is not read for it. */
  private long[] shape(Address address) {
    var matrix = matrices.get(address);
    var vector = vectors.get(address);
    return matrix != null
        ? new long[] {matrix.rows(), matrix.columns()}
        : vector != null ? vector.shape() : source.config().shape(architecture(), address);
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public List<Address> addresses() {
    return addresses;
  }

  @Override
  public LinearWeight matrix(Address address) {
    var own = matrices.get(address);
    return own == null ? super.matrix(address) : own;
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    var own = vectors.get(address);
    return own == null ? super.vector(address) : Optional.of(own);
  }
}
