package ai.lathe.runtime.kernel.layout;

import ai.lathe.runtime.kernel.memory.Pages;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Weights of integer codes into {@link Stripes}, sixteen rows at a time: the only memory besides
 * the result is that of a stripe.
 *
 * <p>Everything is exact but scales that float16 cannot hold: those of groups that are float32 or
 * bfloat16 are rounded to 11 bits (bfloat16 has 8, so only its range is cut: to the 40 binades up
 * to a row's largest scale), and the global scale of NVFP4, which is a factor of the row here.
 * Scales of whole rows stay float32.
 */
public final class Packing {

  private Packing() {}

  /**
   * The layout that holds a weight; empty where none does: no integer codes, or groups that are no
   * multiple of 16 columns.
   */
  public static Optional<Layout> layout(LinearWeight weight) {
    return switch (weight) {
      case GroupQuantized quantized -> GroupSource.layout(quantized);
      case BlockQuantized quantized -> BlockSource.layout(quantized.type());
      case FloatQuantized quantized -> FloatSource.layout(quantized);
      default -> Optional.empty();
    };
  }

  /**
   * @param arena of the result
   * @throws LatheException for a weight without a layout
   */
  public static Stripes pack(LinearWeight weight, Arena arena) {
    var layout =
        layout(weight)
            .orElseThrow(
                () ->
                    new LatheException(
                        "a weight in " + weight.encoding().label() + " has no integer layout"));
    var source =
        switch (weight) {
          case GroupQuantized quantized -> new GroupSource(quantized, layout);
          case BlockQuantized quantized -> new BlockSource(quantized);
          case FloatQuantized quantized -> new FloatSource(quantized, layout);
          default -> throw new AssertionError(weight.getClass());
        };
    int rows = weight.rows();
    int columns = weight.columns();
    int stripes = Layout.stripes(rows);
    var codes = Pages.allocate(layout.bytes(rows, columns), arena);
    var factors = arena.allocate((long) stripes * Layout.ROWS * Float.BYTES, 64);
    var stripe =
        IntStream.range(0, Layout.ROWS)
            .mapToObj(_ -> new PackedRow(layout, columns))
            .toArray(PackedRow[]::new);
    var writer = new StripeWriter(layout);
    for (int s = 0; s < stripes; s++) {
      for (int r = 0; r < Layout.ROWS; r++) {
        var row = stripe[r];
        row.clear();
        if (s * Layout.ROWS + r < rows) {
          row.factor = 1;
          source.read(s * Layout.ROWS + r, row);
          row.normalize(layout.sides().twoLevels());
        }
        factors.setAtIndex(ValueLayout.JAVA_FLOAT, (long) s * Layout.ROWS + r, row.factor);
      }
      writer.write(stripe, layout.units(columns), codes, s * layout.stripeBytes(columns));
    }
    return new Stripes(layout, rows, columns, codes, factors, source.order());
  }

  /** Where the rows come from. */
  interface Source {

    /** Fills a cleared row whose factor is 1. */
    void read(int row, PackedRow target);

    /** See {@link Stripes#order}. */
    default int[] order() {
      return null;
    }
  }
}
