package ai.lathe.torch;

import static ai.lathe.model.architecture.Architecture.Routing.NORMALIZED;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.ModelConfig.Arithmetic;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.ModelConfig.Rope;
import ai.lathe.model.ModelConfig.Window;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;

/** A random model in memory: hidden 12, three heads of 4, feed-forward 20, two blocks. */
record TinyModel(Architecture architecture, ModelConfig config, Map<Address, Tensor> tensors)
    implements Checkpoint {

  static TinyModel random(String modelType, OptionalInt slidingWindow, long seed) {
    return random(Architectures.forModelType(modelType), slidingWindow, seed);
  }

  static TinyModel random(Architecture architecture, OptionalInt slidingWindow, long seed) {
    boolean learned = architecture.has(Role.POSITION_EMBEDDING);
    var rope = learned ? null : new Rope(100, 4, new Rope.Scaling.None());
    var config =
        new ModelConfig(
            12,
            2,
            3,
            learned ? 3 : 1,
            4,
            20,
            architecture.has(Role.ROUTER)
                ? Optional.of(new Experts(5, 2, 8, architecture.routing() == NORMALIZED, Set.of()))
                : Optional.empty(),
            30,
            16,
            1e-5,
            rope,
            true,
            learned ? 2 : 0,
            slidingWindow.stream()
                .mapToObj(positions -> Window.everywhere(positions, 2, rope))
                .findFirst(),
            Arithmetic.plain(architecture.activation(), 4),
            DType.F32,
            OptionalInt.empty(),
            OptionalInt.empty(),
            null,
            List.of());
    return random(architecture, config, seed);
  }

  /** A tied one of these sizes. */
  static TinyModel random(Architecture architecture, ModelConfig config, long seed) {
    var random = new SplittableRandom(seed);
    var tensors = new LinkedHashMap<Address, Tensor>();
    for (var parameter : architecture.outer().values()) {
      put(tensors, config, Address.weight(parameter.role()), parameter, random);
    }
    if (architecture.has(Role.OUTPUT)) {
      // Tied.
      tensors.remove(Address.weight(Role.OUTPUT));
    }
    for (int block = 0; block < config.blocks(); block++) {
      for (var parameter : config.parameters(architecture, block)) {
        for (int copy = 0; copy < config.copies(parameter); copy++) {
          int expert = parameter.perExpert() ? copy : Site.NO_EXPERT;
          var address = Address.weight(block, expert, parameter.role());
          put(tensors, config, address, parameter, random);
        }
      }
    }
    return new TinyModel(architecture, config, tensors);
  }

  private static void put(
      Map<Address, Tensor> tensors,
      ModelConfig config,
      Address address,
      ai.lathe.model.architecture.Parameter parameter,
      SplittableRandom random) {
    int rows = config.size(parameter.rows(), address.block());
    if (parameter.isMatrix()) {
      int columns = config.size(parameter.columns(), address.block());
      tensors.put(address, gaussian(random, 0, 1 / Math.sqrt(columns), rows, columns));
    } else {
      tensors.put(address, gaussian(random, 1, 0.2, rows));
    }
    if (parameter.biased()) {
      tensors.put(address.bias(), gaussian(random, 0, 0.3, rows));
    }
  }

  static Tensor gaussian(SplittableRandom random, double mean, double deviation, long... shape) {
    var values = new float[(int) Tensor.elements(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return Tensor.ofFloats(values, shape);
  }

  /** The same model with another tensor in one place. */
  TinyModel with(Address address, Tensor tensor) {
    var changed = new LinkedHashMap<>(tensors);
    changed.put(address, tensor);
    return new TinyModel(architecture, config, changed);
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return Optional.empty();
  }

  @Override
  public List<Address> addresses() {
    return List.copyOf(tensors.keySet());
  }

  @Override
  public LinearWeight matrix(Address address) {
    return new Dense(
        tensors.getOrDefault(address, tensors.get(Address.weight(Role.TOKEN_EMBEDDING))));
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    return Optional.ofNullable(tensors.get(address));
  }

  @Override
  public String name(Address address) {
    return address.toString();
  }

  @Override
  public long bytes() {
    return tensors.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
  }

  @Override
  public String format() {
    return "memory";
  }

  @Override
  public void close() {}
}
