package ai.lathe.format.compressed;

import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The scales and zero points of a sparse weight. In memory every group has them; where {@link
 * Encoding.Sparse#scalesOfKeptGroups} a file holds only those of groups that are kept, row by row.
 */
final class KeptGroups {

  private final Sparse.Values.Codes codes;
  private final int rows;
  private final int groups;

  /** The place in memory of each group of the file; null where that is the same. */
  private final int[] places;

  KeptGroups(Encoding.Sparse encoding, Mask mask) {
    this(encoding, mask, null);
  }

  private KeptGroups(Encoding.Sparse encoding, Mask mask, Sparse.Values.Codes codes) {
    var scheme = ((Encoding.Grouped) encoding.values()).scheme();
    this.codes = codes;
    this.rows = mask.rows();
    this.groups = scheme.groups(mask.columns());
    this.places = encoding.scalesOfKeptGroups() ? places(mask, scheme.groupSize(), groups) : null;
  }

  /** Of a weight of codes. */
  static KeptGroups of(Sparse weight) {
    return new KeptGroups(weight.encoding(), weight.mask(), (Sparse.Values.Codes) weight.values());
  }

  private static int[] places(Mask mask, int size, int groups) {
    var places = new int[Math.toIntExact(mask.kept() / size)];
    int at = 0;
    for (int row = 0; row < mask.rows(); row++) {
      for (int group = 0; group < groups; group++) {
        if (mask.keeps(row, group * size)) {
          places[at++] = row * groups + group;
        }
      }
    }
    return places;
  }

  /** As a file holds them. */
  Tensor scales(TensorInfo info) {
    var all = codes.scales();
    if (places == null) {
      return all.reshape(info.shape());
    }
    int width = all.dtype().bits() / 8;
    var bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(places.length, width)]);
    for (int i = 0; i < places.length; i++) {
      MemorySegment.copy(all.data(), (long) places[i] * width, bytes, (long) i * width, width);
    }
    return new Tensor(all.dtype(), info.shape(), bytes);
  }

  /** Likewise. */
  Tensor zeros(TensorInfo info) {
    var all = codes.zeros();
    var stored = all;
    if (places != null) {
      stored = new byte[places.length];
      for (int i = 0; i < stored.length; i++) {
        stored[i] = all[places[i]];
      }
    }
    return new Tensor(info.dtype(), info.shape(), MemorySegment.ofArray(stored));
  }

  /** {@code [rows, groups]}; groups that are not in the file have a scale of 1. */
  Tensor readScales(Layer layer) {
    if (places == null) {
      return layer.scales(rows, groups);
    }
    var stored = layer.source().tensor(layer.prefix() + Layer.SCALE);
    if (!stored.dtype().isFloat() || stored.elements() != places.length) {
      throw layer.wrong(
          Layer.SCALE, "one float for each of %d kept groups".formatted(places.length), stored);
    }
    var all = new float[Math.multiplyExact(rows, groups)];
    Arrays.fill(all, 1);
    int width = stored.dtype().bits() / 8;
    var bytes = MemorySegment.ofArray(new byte[Math.multiplyExact(all.length, width)]);
    Tensor.putFloats(stored.dtype(), all, all.length, bytes, 0);
    for (int i = 0; i < places.length; i++) {
      MemorySegment.copy(stored.data(), (long) i * width, bytes, (long) places[i] * width, width);
    }
    return new Tensor(stored.dtype(), new long[] {rows, groups}, bytes);
  }

  /** {@code [rows * groups]}; groups that are not in the file have 0. */
  byte[] readZeros(Layer layer, IntegerScheme scheme) {
    if (places == null) {
      return layer.plainZeros(scheme, rows, groups);
    }
    var kept = layer.plainZeros(scheme, 1, places.length);
    var all = new byte[Math.multiplyExact(rows, groups)];
    for (int i = 0; i < places.length; i++) {
      all[places[i]] = kept[i];
    }
    return all;
  }
}
