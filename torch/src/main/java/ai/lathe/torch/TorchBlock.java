package ai.lathe.torch;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
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
  private final ModelConfig config;
  private final int index;
  private final Map<Address, TorchLinear> linears = new LinkedHashMap<>();
  private final Map<Role, TorchNorm> norms = new EnumMap<>(Role.class);
  private final Attention attention;

  private TorchBlock(
      Architecture architecture,
      ModelConfig config,
      int index,
      Function<Address, TorchLinear> linear,
      Function<Address, TorchNorm> norm,
      Optional<RotaryPairs> pairs) {
    this.architecture = architecture;
    this.config = config;
    this.index = index;
    for (var parameter : config.parameters(architecture, index)) {
      var role = parameter.role();
      switch (parameter.kind()) {
        case LINEAR -> {
          for (int copy = 0; copy < config.copies(parameter); copy++) {
            int expert = parameter.perExpert() ? copy : Site.NO_EXPERT;
            var address = Address.weight(index, expert, role);
            linears.put(address, linear.apply(address));
          }
        }
        case NORM -> norms.put(role, norm.apply(Address.weight(index, role)));
        case INDICES -> {
          // The caller read them.
        }
        case EMBEDDING ->
            throw new LatheException("block " + index + " cannot hold " + parameter.role());
      }
    }
    attention =
        new Attention(
            config,
            index,
            architecture.kind(),
            norms.get(Role.QUERY_NORM),
            norms.get(Role.KEY_NORM),
            pairs);
  }

  /** Of parts that somebody else owns. */
  TorchBlock(
      Architecture architecture,
      ModelConfig config,
      int index,
      Map<Address, TorchLinear> linears,
      Map<Role, TorchNorm> norms,
      Attention attention) {
    this.architecture = architecture;
    this.config = config;
    this.index = index;
    this.linears.putAll(linears);
    this.norms.putAll(norms);
    this.attention = attention;
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
        address -> {
          var bias = checkpoint.vector(address.bias()).orElse(null);
          return TorchLinear.of(checkpoint.matrix(address), bias, precision);
        },
        address -> norm(checkpoint, address),
        RotaryPairs.of(checkpoint, block));
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
        checkpoint.architecture().normOffset(),
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
    if (config.keepsPairs(block)) {
      throw new LatheException(
          "block "
              + block
              + " keeps a part of its rotary pairs and is not trained from parameters");
    }
    return new TorchBlock(
        architecture,
        config,
        block,
        address ->
            new TorchLinear(
                parameters.apply(address).orElseThrow(),
                parameters.apply(address.bias()).orElse(null),
                precision,
                InputRounding.NONE),
        address ->
            new TorchNorm(
                architecture.norm(),
                parameters.apply(address).orElseThrow(),
                parameters.apply(address.bias()).orElse(null),
                architecture.normOffset(),
                config.normEpsilon()),
        Optional.empty());
  }

  public int index() {
    return index;
  }

  /** What a linear layer is multiplied by, {@code [out, in]}; this block's to close. */
  public Tensor weight(Address address) {
    var linear = linears.get(address);
    if (linear == null) {
      throw new LatheException("block " + index + " has no linear layer " + words(address));
    }
    return linear.weight();
  }

  /** Puts another weight of the same shape in a linear's place; its bias stays. */
  public void replace(Role role, LinearWeight weight) {
    replace(Site.NO_EXPERT, role, weight);
  }

  /** Likewise in an expert. */
  public void replace(int expert, Role role, LinearWeight weight) {
    var address = Address.weight(index, expert, role);
    var old = linears.get(address);
    if (old == null) {
      throw new LatheException("block " + index + " has no linear layer " + words(address));
    }
    if (weight.rows() != old.weight().size(0) || weight.columns() != old.weight().size(1)) {
      throw new LatheException(
          "block %d %s is [%d, %d] and cannot become [%d, %d]"
              .formatted(
                  index,
                  words(address),
                  old.weight().size(0),
                  old.weight().size(1),
                  weight.rows(),
                  weight.columns()));
    }
    linears.put(address, old.replace(weight));
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
    return forward(hidden, padding, listener, null);
  }

  /**
   * Likewise.
   *
   * @param outputs sees what each linear layer and each norm gives, {@code [batch, tokens, out]} by
   *     weight, valid during the call; of an expert {@code [tokens, out]}. Null for nobody
   */
  public Tensor forward(
      Tensor hidden, Tensor padding, InputListener listener, BiConsumer<Address, Tensor> outputs) {
    var output = Torch.scoped(() -> new Run(padding, listener, outputs).block(hidden));
    if (!Torch.finite(output)) {
      throw notFinite(hidden, padding);
    }
    return output;
  }

  /**
   * Like {@link #forward}, and hands over what each linear layer gives, as part of the computation:
   * gradients can be taken by it. Who keeps one retains a reference to it.
   *
   * @param outputs {@code [batch, tokens, out]} by weight; of an expert {@code [tokens, out]}
   */
  public Tensor trace(Tensor hidden, Tensor padding, BiConsumer<Address, Tensor> outputs) {
    BiConsumer<Address, Tensor> ofLinears =
        (address, output) -> {
          if (linears.containsKey(address)) {
            outputs.accept(address, output);
          }
        };
    return Torch.scoped(() -> new Run(padding, null, ofLinears).block(hidden));
  }

  /**
   * The first half of {@link #forward}: what attention gives, before it is added to the residual
   * stream.
   */
  public Tensor attend(Tensor hidden, Tensor padding) {
    return Torch.scoped(() -> new Run(padding, null, null).attend(hidden));
  }

  /**
   * The second half of {@link #forward}.
   *
   * @param hidden the block's input
   * @param attended what {@link #attend} gave for it
   */
  public Tensor finish(Tensor hidden, Tensor attended, Tensor padding) {
    return Torch.scoped(() -> new Run(padding, null, null).finish(hidden, attended));
  }

  /**
   * This block with other weights in the place of some, of the same shapes, which the caller owns
   * and may train. It shares all the rest, so it is not to be closed and lives no longer than this.
   *
   * @param weights float32, by the address of a linear layer
   */
  public TorchBlock with(Map<Address, Tensor> weights) {
    var others = new LinkedHashMap<>(linears);
    weights.forEach(
        (address, weight) -> {
          var old = linears.get(address);
          others.put(address, new TorchLinear(weight, old.bias(), old.precision(), old.rounding()));
        });
    return new TorchBlock(architecture, config, index, others, norms, attention);
  }

  static Tensor activate(Activation function, Tensor x) {
    return switch (function) {
      case SILU -> torch.silu(x);
      case GELU -> torch.gelu(x);
      case GELU_TANH -> torch.gelu(x, "tanh");
      case RELU -> torch.relu(x);
    };
  }

  private static String words(Address address) {
    return address.expert() == Site.NO_EXPERT
        ? address.role().toString()
        : address.role() + " of expert " + address.expert();
  }

  /** Runs again to find where the first NaN or infinity appears. */
  private LatheException notFinite(Tensor hidden, Tensor padding) {
    if (!Torch.finite(hidden)) {
      return new LatheException("the input of block " + index + " holds NaN or infinity");
    }
    var first = new Address[1];
    BiConsumer<Address, Tensor> probe =
        (address, output) -> {
          if (first[0] == null && !Torch.finite(output)) {
            first[0] = address;
          }
        };
    Torch.scoped(() -> new Run(padding, null, probe).block(hidden));
    return new LatheException(
        "NaN or infinity in block "
            + index
            + (first[0] == null
                ? ", in its residual sum"
                : ", first in the output of " + words(first[0])));
  }

  /** One pass through the block. */
  private final class Run {
    private final Tensor padding;
    private final InputListener listener;
    private final BiConsumer<Address, Tensor> probe;

    Run(Tensor padding, InputListener listener, BiConsumer<Address, Tensor> probe) {
      this.padding = padding;
      this.listener = listener;
      this.probe = probe;
    }

    Tensor block(Tensor hidden) {
      return finish(hidden, attend(hidden));
    }

    Tensor attend(Tensor hidden) {
      return switch (architecture.normOrder()) {
        case PRE, SANDWICH, PARALLEL -> attention(norm(Role.ATTENTION_NORM, hidden));
        case POST -> attention(hidden);
      };
    }

    Tensor finish(Tensor hidden, Tensor attended) {
      return switch (architecture.normOrder()) {
        case PRE -> {
          var middle = hidden.add(attended);
          yield middle.add(feedForward(norm(Role.FEED_FORWARD_NORM, middle)));
        }
        case POST -> {
          var middle = norm(Role.ATTENTION_OUTPUT_NORM, hidden.add(attended));
          yield norm(Role.FEED_FORWARD_OUTPUT_NORM, middle.add(feedForward(middle)));
        }
        case SANDWICH -> {
          var middle = hidden.add(norm(Role.ATTENTION_OUTPUT_NORM, attended));
          var fed = feedForward(norm(Role.FEED_FORWARD_NORM, middle));
          yield middle.add(norm(Role.FEED_FORWARD_OUTPUT_NORM, fed));
        }
        case PARALLEL ->
            hidden.add(attended).add(feedForward(norm(Role.FEED_FORWARD_NORM, hidden)));
      };
    }

    private Tensor attention(Tensor x) {
      Tensor mixed;
      if (architecture.has(Role.QUERY_KEY_VALUE)) {
        announce(x, Role.QUERY_KEY_VALUE);
        mixed =
            attention.forward(
                linear(Role.QUERY_KEY_VALUE, x),
                architecture.parameter(Role.QUERY_KEY_VALUE).groupedByHead(),
                padding);
      } else {
        announce(x, Role.QUERY, Role.KEY, Role.VALUE);
        mixed =
            attention.forward(
                linear(Role.QUERY, x), linear(Role.KEY, x), linear(Role.VALUE, x), padding);
      }
      announce(mixed, Role.ATTENTION_OUTPUT);
      return linear(Role.ATTENTION_OUTPUT, mixed);
    }

    private Tensor feedForward(Tensor x) {
      if (linears.containsKey(Address.weight(index, Role.ROUTER))) {
        return mixture(x);
      }
      if (architecture.has(Role.GATE_UP)) {
        announce(x, Role.GATE_UP);
        var both = linear(Role.GATE_UP, x);
        long half = both.size(-1) / 2;
        var inner = activate(both.narrow(-1, 0, half)).mul(both.narrow(-1, half, half));
        announce(inner, Role.DOWN);
        return linear(Role.DOWN, inner);
      }
      if (architecture.gated()) {
        return gated(x, Site.NO_EXPERT, Role.GATE, Role.UP, Role.DOWN);
      }
      announce(x, Role.UP);
      var inner = activate(linear(Role.UP, x));
      announce(inner, Role.DOWN);
      return linear(Role.DOWN, inner);
    }

    /** Real tokens only: padding is routed nowhere. */
    private Tensor mixture(Tensor x) {
      announce(x, Role.ROUTER);
      var rows = x.reshape(-1, x.size(-1));
      var real = padding == null ? null : padding.reshape(-1).nonzero().reshape(-1);
      var tokens = real == null ? rows : rows.index_select(0, real);
      var sum = torch.zeros_like(tokens);
      for (var part : Router.route(linear(Role.ROUTER, tokens), config.experts().orElseThrow())) {
        var input = tokens.index_select(0, part.tokens());
        var output =
            gated(input, part.expert(), Role.EXPERT_GATE, Role.EXPERT_UP, Role.EXPERT_DOWN);
        sum = sum.index_add(0, part.tokens(), output.mul(part.weights()));
      }
      var result = real == null ? sum : torch.zeros_like(rows).index_add(0, real, sum);
      return result.reshape(x.sizes());
    }

    private Tensor gated(Tensor x, int expert, Role gate, Role up, Role down) {
      announce(x, expert, gate, up);
      var inner = activate(linear(expert, gate, x)).mul(linear(expert, up, x));
      announce(inner, expert, down);
      return linear(expert, down, inner);
    }

    private Tensor activate(Tensor x) {
      return TorchBlock.activate(config.arithmetic().activation(), x);
    }

    private void announce(Tensor input, Role... readers) {
      announce(input, Site.NO_EXPERT, readers);
    }

    /** Tells the listener of an input that these layers share, once a site. */
    private void announce(Tensor input, int expert, Role... readers) {
      if (listener == null) {
        return;
      }
      var told = new HashSet<Site>();
      for (var reader : readers) {
        var site = new Site(architecture.parameter(reader).reads(), expert);
        if (told.add(site)) {
          listener.input(site, input, expert == Site.NO_EXPERT ? padding : null);
        }
      }
    }

    private Tensor linear(Role role, Tensor x) {
      return linear(Site.NO_EXPERT, role, x);
    }

    private Tensor linear(int expert, Role role, Tensor x) {
      var address = Address.weight(index, expert, role);
      return probed(address, linears.get(address).forward(x));
    }

    private Tensor norm(Role role, Tensor x) {
      return probed(Address.weight(index, role), norms.get(role).forward(x));
    }

    private Tensor probed(Address address, Tensor output) {
      if (probe != null) {
        probe.accept(address, output);
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
