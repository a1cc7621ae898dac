package ai.lathe.format.compressed;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A weight and a product that makes up for what was lost of it: the tensors of the one, under the
 * names that it has alone, and of the other ({@link ProductCodec}) beside them, usually {@code
 * weight_u} and {@code weight_v}.
 *
 * <p>{@code weights} of a group has {@code parts}, each with its {@code format}, {@code weights}
 * and {@code input_activations}: only the input of the part that has them is rounded.
 */
public final class SumCodec implements ConfiguredCodec {

  static final String NAME = "lathe-sum";
  private static final String FIELD = "parts";

  private static final ProductCodec PRODUCT = new ProductCodec();

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
    return encoding instanceof Encoding.Sum(var parts)
        && parts.size() == 2
        && PRODUCT.canEncode(parts.getLast())
        && storesBeside(parts.getFirst(), (Encoding.Product) parts.getLast());
  }

  /** Whether the first part has a codec, and names of its own. */
  private boolean storesBeside(Encoding base, Encoding.Product product) {
    return switch (base) {
      case Encoding.Product first ->
          PRODUCT.canEncode(first) && ProductCodec.lowRank(first) != ProductCodec.lowRank(product);
      case Encoding.Rotated(_, Encoding inner) -> storesBeside(inner, product);
      default ->
          CompressedTensors.codecs().stream()
              .anyMatch(codec -> codec != this && codec.canEncode(base));
    };
  }

  private List<Encoding> parts(Encoding encoding) {
    if (!canEncode(encoding)) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return ((Encoding.Sum) encoding).parts();
  }

  /** Those of products; the first part's are its codec's. */
  @Override
  public List<String> suffixes() {
    return PRODUCT.suffixes();
  }

  @Override
  public List<String> marks() {
    return PRODUCT.marks();
  }

  @Override
  public List<String> companions() {
    return PRODUCT.companions();
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var base = parts(encoding).getFirst();
    return Part.codec(base).shape(prefix, base, source);
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var json = Json.object().put("type", "sum");
    var parts = json.putArray(FIELD);
    parts(encoding).forEach(part -> parts.add(Part.write(part, order)));
    return json;
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(
          weights.where() + ": input_activations of a sum are those of its parts");
    }
    var sum = new Encoding.Sum(Part.readAll(weights, FIELD, 2, format -> !format.equals(NAME)));
    if (!canEncode(sum)) {
      throw weights.wrong(FIELD, "a weight and a " + ProductCodec.NAME);
    }
    return sum;
  }

  @Override
  public Encoding described(Encoding encoding) {
    return new Encoding.Sum(parts(encoding).stream().map(Part::described).toList());
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    var infos = new ArrayList<TensorInfo>();
    for (var part : parts(encoding)) {
      infos.addAll(Part.codec(part).layout(prefix, part, rows, columns));
    }
    return infos;
  }

  @Override
  public Map<String, Tensor> constants(String prefix, Encoding encoding, int rows, int columns) {
    var constants = new LinkedHashMap<String, Tensor>();
    for (var part : parts(encoding)) {
      constants.putAll(Part.codec(part).constants(prefix, part, rows, columns));
    }
    return constants;
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    parts(weight.encoding());
    var tensors = new LinkedHashMap<String, Tensor>();
    for (var part : ((Sum) weight).parts()) {
      tensors.putAll(Part.codec(part.encoding()).encode(prefix, part));
    }
    return tensors;
  }

  @Override
  public Sum decode(String prefix, Encoding encoding, TensorSource source) {
    var parts = new ArrayList<LinearWeight>();
    try {
      for (var part : parts(encoding)) {
        parts.add(Part.codec(part).decode(prefix, part, source));
      }
      return new Sum(parts);
    } catch (LatheException e) {
      throw Part.unfit(prefix, e);
    }
  }
}
