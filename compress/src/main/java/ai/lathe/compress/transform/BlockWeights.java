package ai.lathe.compress.transform;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.ScalingSet;
import ai.lathe.model.architecture.Site;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The tensors of one block while it is transformed, and the statistics of its inputs, which change
 * with them. What no transform touched is read from the original when it is asked for.
 */
public final class BlockWeights {

  private final Checkpoint source;
  private final int block;
  private final Map<Site, LayerStatistics> statistics;
  private final Map<Address, Treatment> treatments;
  private final Map<Address, Matrix> matrices = new HashMap<>();
  private final Map<Address, Tensor> vectors = new HashMap<>();
  private final Map<Address, Matrix> clipped = new HashMap<>();

  /**
   * @param statistics of its inputs with the original weights; taken over
   * @param treatments of the block's matrices
   */
  public BlockWeights(
      Checkpoint source,
      int block,
      Map<Site, LayerStatistics> statistics,
      Map<Address, Treatment> treatments) {
    this.source = source;
    this.block = block;
    this.statistics = new HashMap<>(statistics);
    this.treatments = treatments;
  }

  /** The model as it was. */
  Checkpoint source() {
    return source;
  }

  String name(Address address) {
    return source.architecture().moduleName(block, address.expert(), address.role());
  }

  /** The module whose output a matrix reads, which may stand in the block before. */
  String producer(Address matrix) {
    var role = source.architecture().parameter(matrix.role()).reads();
    return source.architecture().moduleName(block, matrix.expert(), role);
  }

  /** The block's matrices, in order of execution. */
  List<Address> matrices() {
    return source.addresses().stream().filter(treatments::containsKey).toList();
  }

  /** {@code W [out, in]} as transformed so far; not to be changed. */
  public Matrix weight(Address address) {
    var changed = matrices.get(address);
    return changed == null ? source.matrix(address).decode() : changed;
  }

  /** A weight as a solver is to see it: with its outliers cut where {@link #clip} was called. */
  public Layer layer(Address address, Matrix weight) {
    return new Layer(name(address), clipped.getOrDefault(address, weight));
  }

  /** Of a matrix's input, after the transforms so far. */
  public LayerStatistics statistics(Address address) {
    return address.reads(source.architecture()).map(statistics::get).orElse(LayerStatistics.NONE);
  }

  Treatment treatment(Address address) {
    return treatments.get(address);
  }

  /**
   * The sets of this block that a scaling set of the architecture comes to: one, or one for each
   * expert. Those with a matrix that must stay as it is stored are left out.
   */
  List<Scaling> scalings(ScalingSet set) {
    var kind = source.architecture().parameter(set.producer()).kind();
    var scalings = new ArrayList<Scaling>();
    for (var producer : weights(set.producer())) {
      var consumers =
          set.consumers().stream()
              .flatMap(role -> weights(role).stream())
              .filter(consumer -> kind == Kind.NORM || consumer.expert() == producer.expert())
              .toList();
      boolean fixed =
          consumers.stream().anyMatch(this::fixed) || kind == Kind.LINEAR && fixed(producer);
      if (!consumers.isEmpty() && !fixed) {
        scalings.add(scaling(set.producer(), producer, consumers));
      }
    }
    return scalings;
  }

  private boolean fixed(Address matrix) {
    return treatments.get(matrix).fixed();
  }

  private List<Address> weights(Role role) {
    return source.addresses().stream()
        .filter(
            address ->
                address.block() == block
                    && address.role() == role
                    && address.part() == Address.Part.WEIGHT)
        .toList();
  }

  private Scaling scaling(Role role, Address producer, List<Address> consumers) {
    var config = source.config();
    var parameter = source.architecture().parameter(role);
    int outputs = config.size(parameter.rows(), block);
    int inputs =
        config.size(source.architecture().parameter(consumers.getFirst().role()).columns(), block);
    // A value head is read once by each of the query heads that share it.
    int head = outputs == inputs ? outputs : config.widths(block).valueSize();
    int shared = inputs / outputs;
    var features =
        IntStream.range(0, inputs).map(j -> j / head / shared * head + j % head).toArray();
    return new Scaling(producer, consumers, features, outputs);
  }

  /**
   * Divides the producer's outputs by {@code s} and multiplies what reads them. A norm's gain is
   * rounded to the type that it is stored in, and the consumers make up for that too.
   *
   * @param s {@code [outputs]}, positive
   */
  void scale(Scaling scaling, float[] s) {
    for (int j = 0; j < s.length; j++) {
      if (!(s[j] > 0 && s[j] < Float.POSITIVE_INFINITY)) {
        throw new LatheException(
            "%s: output %d would be divided by %s; only positive numbers leave the function as it was"
                .formatted(name(scaling.producer()), j, s[j]));
      }
    }
    var producer = scaling.producer();
    boolean norm = producer.isVector(source.architecture());
    var exact = norm ? divideNorm(producer, s) : s;
    if (!norm) {
      divideRows(producer, s);
    }
    vector(producer.bias()).ifPresent(bias -> put(producer.bias(), divided(bias, exact)));
    var inputs = scaling.ofInputs(exact);
    for (var consumer : scaling.consumers()) {
      multiplyColumns(consumer, inputs);
    }
    scaling.consumers().stream()
        .flatMap(consumer -> consumer.reads(source.architecture()).stream())
        .distinct()
        .forEach(site -> statistics.computeIfPresent(site, (_, known) -> known.dividedBy(inputs)));
  }

  /** Returns what its gain was divided by in fact. */
  private float[] divideNorm(Address norm, float[] s) {
    var stored = vector(norm).orElseThrow();
    float offset = (float) source.architecture().normOffset();
    var gain = stored.toFloats();
    var smaller = new float[gain.length];
    for (int j = 0; j < gain.length; j++) {
      gain[j] += offset;
      smaller[j] = gain[j] / s[j] - offset;
    }
    var rounded = Tensor.ofFloats(smaller, smaller.length).to(stored.dtype(), Arena.ofAuto());
    put(norm, rounded);
    var values = rounded.toFloats();
    var exact = s.clone();
    for (int j = 0; j < s.length; j++) {
      float divisor = gain[j] / (values[j] + offset);
      if (divisor > 0 && divisor < Float.POSITIVE_INFINITY) {
        exact[j] = divisor;
      }
    }
    return exact;
  }

  private void divideRows(Address address, float[] s) {
    var weight = own(address);
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < weight.columns(); j++) {
        weight.set(i, j, weight.at(i, j) / s[i]);
      }
    }
  }

  private void multiplyColumns(Address address, float[] s) {
    var weight = own(address);
    for (int i = 0; i < weight.rows(); i++) {
      for (int j = 0; j < weight.columns(); j++) {
        weight.set(i, j, weight.at(i, j) * s[j]);
      }
    }
  }

  private Matrix own(Address address) {
    return matrices.computeIfAbsent(address, a -> source.matrix(a).decode());
  }

  private Optional<Tensor> vector(Address address) {
    var changed = vectors.get(address);
    return changed == null ? source.vector(address) : Optional.of(changed);
  }

  private static Tensor divided(Tensor vector, float[] s) {
    var values = vector.toFloats();
    for (int j = 0; j < values.length; j++) {
      values[j] /= s[j];
    }
    return Tensor.ofFloats(values, values.length).to(vector.dtype(), Arena.ofAuto());
  }

  private void put(Address address, Tensor vector) {
    vectors.put(address, vector);
  }

  /**
   * Gives the solver other values of a matrix than the block's own to round: what it loses is still
   * measured against its own.
   */
  void clip(Address address, Matrix values) {
    clipped.put(address, values);
  }

  /** The model with this block as transformed. */
  public Checkpoint view() {
    return matrices.isEmpty() && vectors.isEmpty() ? source : new View(source);
  }

  private final class View extends CheckpointView {

    View(Checkpoint source) {
      super(source);
    }

    @Override
    public LinearWeight matrix(Address address) {
      var changed = matrices.get(address);
      return changed == null ? source.matrix(address) : Dense.of(changed);
    }

    @Override
    public Optional<Tensor> vector(Address address) {
      return BlockWeights.this.vector(address);
    }
  }
}
