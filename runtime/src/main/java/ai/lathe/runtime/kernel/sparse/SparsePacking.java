package ai.lathe.runtime.kernel.sparse;

import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Packing;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Packs sparse weights of integer codes. Codes of all widths are kept in bytes, zero points taken
 * away before; kept codes that are zero are left out too.
 */
public final class SparsePacking {

  /** Rows that are spread out at a time. */
  private static final int ROWS = 32 * Layout.ROWS;

  private SparsePacking() {}

  /**
   * The layout whose zeros are left out; empty where there is none: no integer codes, groups that
   * are no multiple of 16 columns, or codes that do not fit a byte without their zero points.
   */
  public static Optional<Layout> layout(Sparse weight) {
    if (!(weight.encoding().values() instanceof Encoding.Grouped(var scheme, _, _))
        || !scheme.symmetric() && scheme.bits() == 8) {
      return Optional.empty();
    }
    return Packing.layout(lifted(weight, 0, Math.min(1, weight.rows())));
  }

  /** The share of weights that are kept. */
  public static double share(Sparse weight) {
    long all = (long) weight.rows() * weight.columns();
    return all == 0 ? 1 : weight.mask().kept() / (double) all;
  }

  /** What {@link #pack} makes of a weight. */
  public static SparseForm form(Sparse weight) {
    var kind = inUnits(weight) ? SparseForm.Kind.BLOCKS : SparseForm.Kind.MASKED_CODES;
    return new SparseForm(kind, share(weight));
  }

  /** Whether a weight that has a {@link #layout} is packed in {@link UnitStripes}. */
  public static boolean inUnits(Sparse weight) {
    return weight.encoding().pattern() instanceof Pattern.Blocks(int rows, int columns)
        && rows % Layout.ROWS == 0
        && columns % UnitStripes.WIDTH == 0
        && weight.columns() <= UnitStripes.MOST_COLUMNS
        && layout(weight).filter(layout -> layout.sides() == Sides.ROW).isPresent();
  }

  /**
   * @param weight that has a {@link #layout}
   * @param arena of the result
   */
  public static CompactStripes pack(Sparse weight, Arena arena) {
    var layout = layout(weight).orElseThrow();
    int rows = weight.rows();
    int columns = weight.columns();
    long kept = weight.mask().kept();
    if (inUnits(weight)) {
      var writer = new UnitWriter(layout, rows, columns, kept / UnitStripes.BLOCK, arena);
      each(weight, writer::add);
      return writer.finish();
    }
    var writer = new SparseWriter(layout, rows, columns, kept, arena);
    each(weight, writer::add);
    return writer.finish();
  }

  private static void each(Sparse weight, Consumer<Stripes> writer) {
    int rows = weight.rows();
    for (int from = 0; from < rows; from += ROWS) {
      try (var scratch = Arena.ofConfined()) {
        int to = Math.min(from + ROWS, rows);
        writer.accept(Packing.pack(lifted(weight, from, to), scratch));
      }
    }
  }

  /** Rows {@code [from, to)} with their zeros, in symmetric codes of 8 bits. */
  static GroupQuantized lifted(Sparse weight, int from, int to) {
    var scheme = ((Encoding.Grouped) weight.encoding().values()).scheme();
    var values = (Sparse.Values.Codes) weight.values();
    int columns = weight.columns();
    int groups = scheme.groups(columns);
    int size = scheme.groupSize() == IntegerScheme.CHANNEL ? columns : scheme.groupSize();
    var codes = new byte[Math.multiplyExact(to - from, columns)];
    int next = (int) weight.mask().keptBefore(from);
    for (int i = from; i < to; i++) {
      int row = (i - from) * columns;
      for (int word = 0; word < weight.mask().words(); word++) {
        for (long left = weight.mask().word(i, word); left != 0; left &= left - 1) {
          int j = 64 * word + Long.numberOfTrailingZeros(left);
          int zero = values.zeros() == null ? 0 : values.zeros()[i * groups + j / size];
          codes[row + j] = (byte) (values.kept()[next++] - zero);
        }
      }
    }
    var scales = new float[(to - from) * groups];
    values.scales().copyFloats((long) from * groups, scales, 0, scales.length);
    // They were of this type before, so nothing is rounded.
    var stored =
        Tensor.ofFloats(scales, to - from, groups).to(values.scales().dtype(), Arena.ofAuto());
    var bytes = new IntegerScheme(8, scheme.groupSize(), true, scheme.activations());
    return new GroupQuantized(bytes, to - from, columns, codes, stored, null);
  }
}
