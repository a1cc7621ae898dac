package ai.lathe.compress.transform;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture.NormKind;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A model whose RMS norms have a gain of one: each norm's gain is multiplied into the columns of
 * the linear layers that read it, {@code W := W diag(g)}. A tied output gets a matrix of its own.
 * The function is the same, and the norms then commute with rotations of the residual stream.
 *
 * @see <a href="https://arxiv.org/abs/2401.15024">Ashkboos et al., SliceGPT, 2024</a>
 */
public final class FusedNorms extends CheckpointView {

  private final Set<Role> norms;
  private final ModelConfig config;

  /** Throws {@link LatheException} where a model's norms do more than feed linear layers. */
  public FusedNorms(Checkpoint source) {
    super(source);
    this.norms = fusible(source);
    this.config = source.config().untied();
  }

  private static Set<Role> fusible(Checkpoint model) {
    var architecture = model.architecture();
    var norms = new HashSet<Role>();
    for (var set : architecture.scalingSets()) {
      if (set.obstacle().isEmpty() && architecture.parameter(set.producer()).kind() == Kind.NORM) {
        norms.add(set.producer());
      }
    }
    boolean output =
        architecture.has(Role.OUTPUT)
            && architecture.parameter(Role.OUTPUT).reads() == Role.OUTPUT_NORM;
    if (architecture.norm() != NormKind.RMS || norms.isEmpty() || !output) {
      throw new LatheException(
          "the norms of %s cannot be fused: only RMS norms that stand before linear layers can, as in llama, mistral and qwen"
              .formatted(architecture.name()));
    }
    norms.add(Role.OUTPUT_NORM);
    return norms;
  }

  /** The norms that have a gain of one now. */
  Set<Role> norms() {
    return norms;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public List<Address> addresses() {
    var addresses = new ArrayList<>(source.addresses());
    if (source.config().tiedEmbeddings()) {
      addresses.add(Address.weight(Role.OUTPUT));
    }
    return List.copyOf(addresses);
  }

  @Override
  public String name(Address address) {
    return source.addresses().contains(address)
        ? source.name(address)
        : architecture().moduleName(address.block(), address.expert(), address.role());
  }

  @Override
  public LinearWeight matrix(Address address) {
    var weight = source.matrix(address);
    var read = architecture().parameter(address.role()).reads();
    if (read == null || !norms.contains(read)) {
      return weight;
    }
    var gain = gain(address.role() == Role.OUTPUT ? Address.OUTSIDE : address.block(), read);
    return FloatRows.of(
        weight,
        (values, rows) -> {
          for (int i = 0; i < values.length; i++) {
            values[i] *= gain[i % gain.length];
          }
        });
  }

  private float[] gain(int block, Role norm) {
    var gain = source.vector(Address.weight(block, norm)).orElseThrow().toFloats();
    for (int j = 0; j < gain.length; j++) {
      gain[j] += (float) architecture().normOffset();
    }
    return gain;
  }

  @Override
  public Optional<Tensor> vector(Address address) {
    var vector = source.vector(address);
    return norms.contains(address.role()) && address.part() == Address.Part.WEIGHT
        ? vector.map(this::one)
        : vector;
  }

  private Tensor one(Tensor gain) {
    var ones = new float[Math.toIntExact(gain.elements())];
    Arrays.fill(ones, 1 - (float) architecture().normOffset());
    return Tensor.ofFloats(ones, ones.length).to(gain.dtype(), java.lang.foreign.Arena.ofAuto());
  }
}
