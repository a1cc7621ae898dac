package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;

/** All of a block but the weights of its linear layers. */
final class BlockFrame implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final int index;
  private final List<Address> layers = new ArrayList<>();
  private final Map<Address, Tensor> biases = new HashMap<>();
  private final Map<Role, TorchNorm> norms = new EnumMap<>(Role.class);
  private final Attention attention;

  BlockFrame(Checkpoint checkpoint, int index) {
    this.checkpoint = checkpoint;
    this.index = index;
    var config = checkpoint.config();
    for (var parameter : config.parameters(checkpoint.architecture(), index)) {
      if (parameter.kind() == Kind.NORM) {
        var address = Address.weight(index, parameter.role());
        norms.put(parameter.role(), TorchBlock.norm(checkpoint, address));
      }
      if (!parameter.isMatrix()) {
        continue;
      }
      for (int copy = 0; copy < config.copies(parameter); copy++) {
        int expert = parameter.perExpert() ? copy : Site.NO_EXPERT;
        var address = Address.weight(index, expert, parameter.role());
        layers.add(address);
        checkpoint
            .vector(address.bias())
            .ifPresent(bias -> biases.put(address, Torch.owned(() -> Weights.vector(bias))));
      }
    }
    attention =
        new Attention(
            config,
            index,
            checkpoint.architecture().kind(),
            norms.get(Role.QUERY_NORM),
            norms.get(Role.KEY_NORM),
            RotaryPairs.of(checkpoint, index));
  }

  /**
   * The block with these weights. It owns nothing, so it is not to be closed, and lives no longer
   * than this and the weights.
   */
  TorchBlock with(Function<Address, HeldLinear> weights) {
    var linears = new LinkedHashMap<Address, TorchLinear>();
    for (var address : layers) {
      var held = weights.apply(address);
      var shape = checkpoint.matrix(address);
      if (held.rows() != shape.rows() || held.columns() != shape.columns()) {
        throw new LatheException(
            "%s is [%d, %d] and cannot become [%d, %d]"
                .formatted(
                    checkpoint.name(address),
                    shape.rows(),
                    shape.columns(),
                    held.rows(),
                    held.columns()));
      }
      linears.put(address, held.with(biases.get(address)));
    }
    return new TorchBlock(
        checkpoint.architecture(), checkpoint.config(), index, linears, norms, attention);
  }

  @Override
  public void close() {
    norms.values().forEach(TorchNorm::close);
    biases.values().forEach(Tensor::close);
    attention.close();
  }
}
