package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Function;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * One transformer block, run as its {@link Architecture} describes it. Differentiable in its input
 * and in its weights.
 */
public final class TorchBlock implements AutoCloseable {

  private final Architecture architecture;
  private final int index;
  private final Map<Role, TorchLinear> linears = new EnumMap<>(Role.class);
  private final Map<Role, TorchNorm> norms = new EnumMap<>(Role.class);
  private final Attention attention;

  private TorchBlock(
      Architecture architecture,
      ModelConfig config,
      int index,
      Function<Parameter, TorchLinear> linear,
      Function<Parameter, TorchNorm> norm) {
    this.architecture = architecture;
    this.index = index;
    for (var parameter : architecture.inner().values()) {
      switch (parameter.kind()) {
        case LINEAR -> linears.put(parameter.role(), linear.apply(parameter));
        case NORM -> norms.put(parameter.role(), norm.apply(parameter));
        case EMBEDDING ->
            throw new LatheException("block " + index + " cannot hold " + parameter.role());
      }
    }
    attention =
        new Attention(
            config, architecture.kind(), norms.get(Role.QUERY_NORM), norms.get(Role.KEY_NORM));
  }

  /** In float32. */
  public static TorchBlock load(Checkpoint checkpoint, int block) {
    return load(checkpoint, block, Precision.FLOAT32);
  }

  /**
   * Reads a block's weights. Those that are stored in the precision's own type are used where they
   * are mapped, so the checkpoint must stay open as long as the block.
   */
  public static TorchBlock load(Checkpoint checkpoint, int block, Precision precision) {
    var config = checkpoint.config();
    if (block < 0 || block >= config.blocks()) {
      throw new LatheException(
          "there is no block " + block + "; the model has " + config.blocks() + ", from 0");
    }
    var architecture = checkpoint.architecture();
    return new TorchBlock(
        architecture,
        config,
        block,
        parameter -> {
          var address = Address.weight(block, parameter.role());
          var bias = checkpoint.vector(address.bias()).orElse(null);
          return TorchLinear.of(checkpoint.matrix(address), bias, precision);
        },
        parameter -> norm(checkpoint, Address.weight(block, parameter.role())));
  }

  /** A norm of a checkpoint, inside a block or outside. */
  static TorchNorm norm(Checkpoint checkpoint, Address address) {
    var weight =
        checkpoint
            .vector(address)
            .orElseThrow(() -> new LatheException("the model lacks " + checkpoint.name(address)));
    var bias = checkpoint.vector(address.bias());
    return new TorchNorm(
        checkpoint.architecture().norm(),
        Torch.owned(() -> Weights.vector(weight)),
        bias.map(b -> Torch.owned(() -> Weights.vector(b))).orElse(null),
        checkpoint.config().normEpsilon());
  }

  /**
   * A block over tensors that the caller owns and may train.
   *
   * @param parameters weights and biases of the block, empty for biases that it has not
   */
  public static TorchBlock of(
      Architecture architecture,
      ModelConfig config,
      int block,
      Precision precision,
      Function<Address, Optional<Tensor>> parameters) {
    return new TorchBlock(
        architecture,
        config,
        block,
        parameter -> {
          var address = Address.weight(block, parameter.role());
          return new TorchLinear(
              parameters.apply(address).orElseThrow(),
              parameters.apply(address.bias()).orElse(null),
              precision,
              InputRounding.NONE);
        },
        parameter -> {
          var address = Address.weight(block, parameter.role());
          return new TorchNorm(
              architecture.norm(),
              parameters.apply(address).orElseThrow(),
              parameters.apply(address.bias()).orElse(null),
              config.normEpsilon());
        });
  }

  public int index() {
    return index;
  }

  /** Puts another weight of the same shape in a linear's place; its bias stays. */
  public void replace(Role role, LinearWeight weight) {
    var old = linears.get(role);
    if (old == null) {
      throw new LatheException("block " + index + " has no linear layer " + role);
    }
    if (weight.rows() != old.weight().size(0) || weight.columns() != old.weight().size(1)) {
      throw new LatheException(
          "block %d %s is [%d, %d] and cannot become [%d, %d]"
              .formatted(
                  index,
                  role,
                  old.weight().size(0),
                  old.weight().size(1),
                  weight.rows(),
                  weight.columns()));
    }
    linears.put(role, old.replace(weight));
  }

  /**
   * Runs the block.
   *
   * @param hidden {@code [batch, tokens, hidden]} float32
   * @param padding {@code [batch, tokens]}, nonzero for real tokens; null where all are. Rows of
   *     padding come out finite and without meaning
   * @param listener sees the inputs of the linear layers; null for nobody
   * @return {@code [batch, tokens, hidden]} in the caller's scope
   */
  public Tensor forward(Tensor hidden, Tensor padding, InputListener listener) {
    var output = Torch.scoped(() -> new Run(padding, listener, null).block(hidden));
    if (!Torch.finite(output)) {
      throw notFinite(hidden, padding);
    }
    return output;
  }

  /** Runs again to find where the first NaN or infinity appears. */
  private LatheException notFinite(Tensor hidden, Tensor padding) {
    if (!Torch.finite(hidden)) {
      return new LatheException("the input of block " + index + " holds NaN or infinity");
    }
    var first = new Role[1];
    BiConsumer<Role, Tensor> probe =
        (role, output) -> {
          if (first[0] == null && !Torch.finite(output)) {
            first[0] = role;
          }
        };
    Torch.scoped(() -> new Run(padding, null, probe).block(hidden));
    return new LatheException(
        "NaN or infinity in block "
            + index
            + (first[0] == null
                ? ", in its residual sum"
                : ", first in the output of " + first[0]));
  }

  /** One pass through the block. */
  private final class Run {
    private final Tensor padding;
    private final InputListener listener;
    private final BiConsumer<Role, Tensor> probe;

    Run(Tensor padding, InputListener listener, BiConsumer<Role, Tensor> probe) {
      this.padding = padding;
      this.listener = listener;
      this.probe = probe;
    }

    Tensor block(Tensor hidden) {
      return switch (architecture.normOrder()) {
        case PRE -> {
          var middle = hidden.add(attention(norm(Role.ATTENTION_NORM, hidden)));
          yield middle.add(feedForward(norm(Role.FEED_FORWARD_NORM, middle)));
        }
        case POST -> {
          var middle = norm(Role.ATTENTION_OUTPUT_NORM, hidden.add(attention(hidden)));
          yield norm(Role.FEED_FORWARD_OUTPUT_NORM, middle.add(feedForward(middle)));
        }
      };
    }

    private Tensor attention(Tensor x) {
      announce(x, Role.QUERY, Role.KEY, Role.VALUE);
      var mixed =
          attention.forward(
              linear(Role.QUERY, x), linear(Role.KEY, x), linear(Role.VALUE, x), padding);
      announce(mixed, Role.ATTENTION_OUTPUT);
      return linear(Role.ATTENTION_OUTPUT, mixed);
    }

    private Tensor feedForward(Tensor x) {
      Tensor inner;
      if (architecture.gated()) {
        announce(x, Role.GATE, Role.UP);
        inner = activate(linear(Role.GATE, x)).mul(linear(Role.UP, x));
      } else {
        announce(x, Role.UP);
        inner = activate(linear(Role.UP, x));
      }
      announce(inner, Role.DOWN);
      return linear(Role.DOWN, inner);
    }

    private Tensor activate(Tensor x) {
      return switch (architecture.activation()) {
        case SILU -> torch.silu(x);
        case GELU -> torch.gelu(x);
        case GELU_TANH -> torch.gelu(x, "tanh");
      };
    }

    /** Tells the listener of an input that these layers share, once a site. */
    private void announce(Tensor input, Role... readers) {
      if (listener == null) {
        return;
      }
      var told = new HashSet<Site>();
      for (var reader : readers) {
        var site = Site.of(architecture.parameter(reader).reads());
        if (told.add(site)) {
          listener.input(site, input);
        }
      }
    }

    private Tensor linear(Role role, Tensor x) {
      return probed(role, linears.get(role).forward(x));
    }

    private Tensor norm(Role role, Tensor x) {
      return probed(role, norms.get(role).forward(x));
    }

    private Tensor probed(Role role, Tensor output) {
      if (probe != null) {
        probe.accept(role, output);
      }
      return output;
    }
  }

  @Override
  public void close() {
    linears.values().forEach(TorchLinear::close);
    norms.values().forEach(TorchNorm::close);
    attention.close();
  }
}
