package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A product of factors.
 *
 * <ul>
 *   <li>Two plain ones, a weight of low rank: {@code weight_u [out, rank]} and {@code weight_v
 *       [rank, in]}, each of any floating type
 *   <li>Any others, up to five: {@code factor_0} for the output's, {@code factor_1} and so on, each
 *       a prefix of the tensors that its own format has
 * </ul>
 *
 * {@code weights} of a group has {@code factors}, each with its {@code format} and {@code weights};
 * sizes are those of the tensors. The last one may have an {@code owner}: the module, a product as
 * well, whose own last factor it is. The weight itself then has no tensors of that factor.
 */
public final class ProductCodec implements ConfiguredCodec {

  static final String NAME = "lathe-product";
  private static final String U = ".weight_u";
  private static final String V = ".weight_v";
  private static final String FIELD = "factors";
  private static final int MOST = 5;

  private static final DenseCodec DENSE = new DenseCodec();

  /** What a factor may be stored as; none of these has factors of its own. */
  private static final List<WeightCodec> LEAVES =
      List.of(
          DENSE,
          new BlockDiagonalCodec(),
          new ModeCodec(),
          new PackQuantized(),
          SparseBitmask.ANY,
          SparseBitmask.TWO_FOUR,
          new LatheSparse());

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean standard() {
    return false;
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return encoding instanceof Encoding.Product(var factors, _)
        && factors.size() <= MOST
        && factors.stream()
            .allMatch(
                factor ->
                    factor.activations() instanceof Activations.None
                        && LEAVES.stream().anyMatch(leaf -> leaf.canEncode(own(factor))))
        && factors.stream().limit(factors.size() - 1).noneMatch(Encoding.Shared.class::isInstance);
  }

  /** As the weight has it that stores it. */
  private static Encoding own(Encoding factor) {
    return factor instanceof Encoding.Shared(_, Encoding stored) ? stored : factor;
  }

  private Encoding.Product product(Encoding encoding) {
    if (!canEncode(encoding)) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return (Encoding.Product) encoding;
  }

  /** Whether its tensors are {@code weight_u} and {@code weight_v}. */
  static boolean lowRank(Encoding.Product product) {
    return product.factors().size() == 2
        && product.factors().stream().allMatch(Encoding.Plain.class::isInstance);
  }

  private static String factor(String prefix, int i) {
    return prefix + ".factor_" + i;
  }

  @Override
  public List<String> suffixes() {
    return Stream.concat(
            Stream.of(U, V),
            IntStream.range(0, MOST)
                .boxed()
                .flatMap(
                    i ->
                        LEAVES.stream()
                            .flatMap(leaf -> leaf.suffixes().stream())
                            .distinct()
                            .map(suffix -> factor("", i) + suffix)))
        .toList();
  }

  @Override
  public List<String> marks() {
    return Stream.concat(
            Stream.of(U),
            LEAVES.stream()
                .flatMap(leaf -> leaf.marks().stream())
                .distinct()
                .map(suffix -> factor("", 0) + suffix))
        .toList();
  }

  /** All: it may stand beside another weight, in a sum. */
  @Override
  public List<String> companions() {
    return suffixes();
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var product = product(encoding);
    if (lowRank(product)) {
      var u = source.info(prefix + U).shape();
      var v = source.info(prefix + V).shape();
      if (u.length != 2 || v.length != 2) {
        throw new FormatException("'" + prefix + U + "' and '" + V + "' should be matrices");
      }
      return new long[] {u[0], v[1]};
    }
    int last = product.factors().size() - 1;
    return new long[] {
      factorShape(prefix, product, 0, source)[0], factorShape(prefix, product, last, source)[1]
    };
  }

  private static long[] factorShape(
      String prefix, Encoding.Product product, int i, TensorSource source) {
    var factor = product.factors().get(i);
    var encoding = own(factor);
    var at =
        factor instanceof Encoding.Shared shared
            ? place(prefix, shared, i, source)
            : factor(prefix, i);
    var shape =
        at.endsWith(V) ? source.info(at).shape() : Part.codec(encoding).shape(at, encoding, source);
    if (shape.length != 2) {
      throw new FormatException("'" + at + "' should be a matrix");
    }
    return shape;
  }

  /**
   * Where the factor that two weights share is stored: by the owner's own tensors alone, so that an
   * owner that refers to another one has none.
   *
   * @return the prefix of its tensors, or the name of the only one
   */
  private static String place(String prefix, Encoding.Shared shared, int i, TensorSource source) {
    var stored = shared.stored();
    var own = factor(shared.owner(), i);
    var marks = Part.codec(stored).marks();
    if (!shared.owner().equals(prefix)) {
      if (marks.stream().anyMatch(mark -> source.names().contains(own + mark))) {
        return own;
      }
      if (i == 1 && DENSE.canEncode(stored) && source.names().contains(shared.owner() + V)) {
        return shared.owner() + V;
      }
    }
    throw new FormatException(
        "'%s' takes its last factor from '%s', which has no '%s' of %s of its own"
            .formatted(prefix, shared.owner(), own, stored.label()));
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var json = Json.object().put("type", "product");
    var factors = json.putArray(FIELD);
    product(encoding).factors().forEach(factor -> factors.add(Part.write(factor, order)));
    return json;
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    var factors =
        Part.readAll(
            weights,
            FIELD,
            MOST,
            format -> LEAVES.stream().anyMatch(leaf -> leaf.name().equals(format)));
    var product = new Encoding.Product(factors, Collections.nCopies(factors.size() - 1, 1));
    if (!canEncode(product)) {
      throw weights.wrong(FIELD, "factors that leave inputs as they are");
    }
    return product;
  }

  @Override
  public Encoding described(Encoding encoding) {
    var product = product(encoding);
    return new Encoding.Product(
        product.factors().stream()
            .map(
                factor ->
                    factor instanceof Encoding.Shared(String owner, Encoding stored)
                        ? new Encoding.Shared(owner, Part.described(stored))
                        : Part.described(factor))
            .toList(),
        Collections.nCopies(product.inner().size(), 1));
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var product = product(encoding);
    var inner = product.inner();
    var infos = new ArrayList<TensorInfo>();
    for (int i = 0; i < product.factors().size(); i++) {
      var factor = product.factors().get(i);
      int above = i == 0 ? rows : inner.get(i - 1);
      int below = i == inner.size() ? columns : inner.get(i);
      if (lowRank(product)) {
        var type = ((Encoding.Plain) factor).dtype();
        infos.add(Layer.info(prefix + (i == 0 ? U : V), type, above, below));
      } else if (!(factor instanceof Encoding.Shared)) {
        infos.addAll(Part.codec(factor).layout(factor(prefix, i), factor, above, below));
      }
    }
    return infos;
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    var product = product(encoding);
    var inner = product.inner();
    var constants = new LinkedHashMap<String, Tensor>();
    for (int i = 0; i < product.factors().size() && !lowRank(product); i++) {
      var factor = product.factors().get(i);
      int above = i == 0 ? rows : inner.get(i - 1);
      int below = i == inner.size() ? columns : inner.get(i);
      if (!(factor instanceof Encoding.Shared)) {
        constants.putAll(Part.codec(factor).constants(factor(prefix, i), factor, above, below));
      }
    }
    return constants;
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    var encoding = product(weight.encoding());
    boolean pair = lowRank(encoding);
    var factors = ((Product) weight).factors();
    var tensors = new LinkedHashMap<String, Tensor>();
    for (int i = 0; i < factors.size() - (encoding.shares() ? 1 : 0); i++) {
      var factor = factors.get(i);
      if (pair) {
        tensors.put(prefix + (i == 0 ? U : V), ((Dense) factor).tensor());
      } else {
        tensors.putAll(Part.codec(factor.encoding()).encode(factor(prefix, i), factor));
      }
    }
    return tensors;
  }

  @Override
  public Product decode(String prefix, Encoding encoding, TensorSource source) {
    var product = product(encoding);
    var layer = new Layer(prefix, source);
    var factors = new ArrayList<LinearWeight>();
    try {
      for (int i = 0; i < product.factors().size(); i++) {
        var factor = product.factors().get(i);
        if (factor instanceof Encoding.Shared shared) {
          factors.add(shared(prefix, shared, i, source));
        } else {
          factors.add(
              lowRank(product)
                  ? new Dense(matrix(layer, i == 0 ? U : V))
                  : Part.codec(factor).decode(factor(prefix, i), factor, source));
        }
      }
      layer.checkSize("", factors.getFirst().rows(), factors.getLast().columns());
      return new Product(
          factors,
          product.factors().getLast() instanceof Encoding.Shared(String owner, _)
              ? Optional.of(owner)
              : Optional.empty());
    } catch (LatheException e) {
      throw Part.unfit(prefix, e);
    }
  }

  private static LinearWeight shared(
      String prefix, Encoding.Shared shared, int i, TensorSource source) {
    var at = place(prefix, shared, i, source);
    return at.endsWith(V)
        ? new Dense(matrix(new Layer(shared.owner(), source), V))
        : Part.codec(shared.stored()).decode(at, shared.stored(), source);
  }

  private static Tensor matrix(Layer layer, String suffix) {
    var tensor = layer.source().tensor(layer.prefix() + suffix);
    if (tensor.shape().length != 2 || !tensor.dtype().isFloat()) {
      throw layer.wrong(suffix, "a matrix of floats", tensor);
    }
    layer.checkSize(suffix, tensor.size(0), tensor.size(1));
    return tensor;
  }
}
