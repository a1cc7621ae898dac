package ai.lathe.torch.train;

import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.torch.Precision;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * A decoder whose parameters are trained: random ones at first, and the forward pass of {@link
 * TorchBlock} over them. Its output is its token embedding.
 */
final class Decoder implements AutoCloseable {

  private static final double DEVIATION = 0.02;

  private final ModelConfig config;
  private final Map<Address, Tensor> parameters = new LinkedHashMap<>();
  private final List<TorchBlock> blocks = new ArrayList<>();

  Decoder(Architecture architecture, ModelConfig config, RandomGenerator random) {
    this.config = config;
    for (var parameter : architecture.outer().values()) {
      if (parameter.role() != Role.OUTPUT) {
        parameters.put(Address.weight(parameter.role()), initial(architecture, parameter, random));
      }
    }
    for (int block = 0; block < config.blocks(); block++) {
      for (var parameter : config.parameters(architecture, block)) {
        parameters.put(
            Address.weight(block, parameter.role()), initial(architecture, parameter, random));
      }
      blocks.add(
          TorchBlock.of(
              architecture,
              config,
              block,
              Precision.FLOAT32,
              address -> Optional.ofNullable(parameters.get(address))));
    }
  }

  /**
   * Norms one; matrices normal, those that write to the residual stream smaller by the number of
   * their sums, so that the stream's variance does not grow with depth.
   */
  private Tensor initial(Architecture architecture, Parameter parameter, RandomGenerator random) {
    var shape = config.shape(architecture, Address.weight(parameter.role()));
    boolean writesResidual =
        parameter.role() == Role.ATTENTION_OUTPUT || parameter.role() == Role.DOWN;
    double deviation = writesResidual ? DEVIATION / Math.sqrt(2.0 * config.blocks()) : DEVIATION;
    var values = new float[Math.toIntExact(ai.lathe.tensor.Tensor.elements(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = parameter.isMatrix() ? (float) (random.nextGaussian() * deviation) : 1;
    }
    return Torch.owned(() -> Torch.ofFloats(values, shape).set_requires_grad(true));
  }

  Map<Address, Tensor> parameters() {
    return parameters;
  }

  /**
   * Mean cross-entropy in nats of the tokens after the first of each row.
   *
   * @param tokens {@code [batch][tokens + 1]}
   */
  Tensor loss(int[][] tokens) {
    return Torch.scoped(
        () -> {
          var all = Torch.ofTokens(tokens);
          long length = all.size(1) - 1;
          var embedding = parameters.get(Address.weight(Role.TOKEN_EMBEDDING));
          var hidden = torch.embedding(embedding, all.narrow(1, 0, length));
          for (var block : blocks) {
            hidden = block.forward(hidden, null, null);
          }
          var norm = parameters.get(Address.weight(Role.OUTPUT_NORM));
          var normed =
              torch.rms_norm(
                  hidden,
                  new long[] {config.hidden()},
                  new TensorOptional(norm),
                  new DoubleOptional(config.normEpsilon()));
          var logits = torch.linear(normed, embedding);
          return torch.cross_entropy_loss(
              logits.reshape(-1, config.vocabulary()), all.narrow(1, 1, length).reshape(-1));
        });
  }

  double lossValue(int[][] tokens) {
    try (var _ = new PointerScope();
        var _ = new NoGradGuard()) {
      return loss(tokens).item_double();
    }
  }

  @Override
  public void close() {
    parameters.values().forEach(Tensor::close);
  }
}
