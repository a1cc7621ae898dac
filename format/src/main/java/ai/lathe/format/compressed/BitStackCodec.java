package ai.lathe.format.compressed;

import static ai.lathe.format.compressed.Layer.info;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.format.compressed.QuantizationConfig.ActivationOrder;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * BitStack: blocks of signs and two factors, each block in tensors of its own, so that the first
 * ones can be read without the others. Names and contents are those of the authors' program.
 *
 * <ul>
 *   <li>{@code qweight_I} U8 {@code [ceil(out * in / 8)]}: a bit a weight, most significant first,
 *       1 for a positive one
 *   <li>{@code u_I} F16 {@code [out, k]}
 *   <li>{@code vt_I} F16 {@code [k, in]}
 * </ul>
 *
 * {@code weights} of a group has {@code niter} and {@code k}.
 *
 * @see <a href="https://github.com/xinghaow99/BitStack">BitStack</a>
 */
public final class BitStackCodec implements ConfiguredCodec {

  static final String NAME = "bitstack";
  private static final int MOST = 64;
  private static final int LARGEST_RANK = 1 << 16;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean standard() {
    return false;
  }

  /** The blocks; empty where it is another encoding. */
  private static List<Encoding> blocks(Encoding encoding) {
    return encoding instanceof Encoding.Sum(var parts)
            && parts.size() <= MOST
            && parts.getFirst() instanceof Encoding.SignedLowRank first
            && parts.stream().allMatch(first::equals)
        ? parts
        : List.of();
  }

  private static Encoding.SignedLowRank block(Encoding encoding) {
    if (blocks(encoding).isEmpty()) {
      throw new LatheException(NAME + " cannot store " + encoding.label());
    }
    return (Encoding.SignedLowRank) blocks(encoding).getFirst();
  }

  @Override
  public boolean canEncode(Encoding encoding) {
    return !blocks(encoding).isEmpty();
  }

  @Override
  public List<String> suffixes() {
    var suffixes = new ArrayList<String>();
    for (int i = 0; i < MOST; i++) {
      suffixes.addAll(List.of(".qweight_" + i, ".u_" + i, ".vt_" + i));
    }
    return suffixes;
  }

  @Override
  public long[] shape(String prefix, Encoding encoding, TensorSource source) {
    var u = source.info(prefix + ".u_0").shape();
    var vt = source.info(prefix + ".vt_0").shape();
    if (u.length != 2 || vt.length != 2) {
      throw new FormatException("'" + prefix + ".u_0' and '.vt_0' should be matrices");
    }
    return new long[] {u[0], vt[1]};
  }

  @Override
  public ObjectNode weights(Encoding encoding, ActivationOrder order) {
    var weights = Json.object();
    weights.put("num_bits", 1).put("type", NAME);
    return weights.put("niter", blocks(encoding).size()).put("k", block(encoding).rank());
  }

  @Override
  public Encoding encoding(JsonFields weights, Activations activations) {
    if (!(activations instanceof Activations.None)) {
      throw new FormatException(weights.where() + ": " + NAME + " leaves inputs as they are");
    }
    var block = new Encoding.SignedLowRank(weights.count("k", LARGEST_RANK));
    return new Encoding.Sum(Collections.nCopies(weights.count("niter", MOST), block));
  }

  @Override
  public List<TensorInfo> layout(String prefix, Encoding encoding, int rows, int columns) {
    int rank = block(encoding).rank();
    var infos = new ArrayList<TensorInfo>();
    for (int i = 0; i < blocks(encoding).size(); i++) {
      long bytes = Math.ceilDiv((long) rows * columns, 8L);
      infos.add(info(prefix + ".qweight_" + i, DType.U8, bytes));
      infos.add(info(prefix + ".u_" + i, DType.F16, rows, rank));
      infos.add(info(prefix + ".vt_" + i, DType.F16, rank, columns));
    }
    return infos;
  }

  @Override
  public Map<String, Tensor> encode(String prefix, LinearWeight weight) {
    block(weight.encoding());
    var tensors = new LinkedHashMap<String, Tensor>();
    var parts = ((Sum) weight).parts();
    for (int i = 0; i < parts.size(); i++) {
      var part = (SignedLowRank) parts.get(i);
      long[] shape = {part.signs().byteSize()};
      tensors.put(prefix + ".qweight_" + i, new Tensor(DType.U8, shape, part.signs()));
      tensors.put(prefix + ".u_" + i, part.u());
      tensors.put(prefix + ".vt_" + i, part.vt());
    }
    return tensors;
  }

  @Override
  public Sum decode(String prefix, Encoding encoding, TensorSource source) {
    block(encoding);
    var layer = new Layer(prefix, source);
    var shape = shape(prefix, encoding, source);
    layer.checkSize(".u_0", shape[0], shape[1]);
    int rows = (int) shape[0];
    int columns = (int) shape[1];
    var stored = new ArrayList<Tensor>();
    for (var info : layout("", encoding, rows, columns)) {
      var tensor = source.tensor(prefix + info.name());
      if (tensor.dtype() != info.dtype() || tensor.elements() != Tensor.elements(info.shape())) {
        throw layer.wrong(info.name(), info.toString(), tensor);
      }
      stored.add(tensor.reshape(info.shape()));
    }
    var parts = new ArrayList<LinearWeight>();
    for (int i = 0; i < stored.size(); i += 3) {
      parts.add(
          new SignedLowRank(
              rows, columns, stored.get(i).data(), stored.get(i + 1), stored.get(i + 2)));
    }
    return new Sum(parts);
  }
}
