package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockScales;
import ai.lathe.tensor.BlockType;
import java.util.Optional;

/** Rows of GGUF's blocks. */
final class BlockSource implements Packing.Source {

  private final BlockQuantized weight;
  private final Layout layout;
  private final BlockType.LevelReader reader;
  private final BlockScales scales;

  BlockSource(BlockQuantized weight) {
    this.weight = weight;
    this.layout = layout(weight.type()).orElseThrow();
    this.reader = weight.type().levelReader();
    this.scales = weight.type().emptyScales();
  }

  /**
   * Types of few bits are widened to the next layout: it holds their levels as they are, and the
   * same scales.
   */
  static Optional<Layout> layout(BlockType type) {
    return Optional.ofNullable(
        switch (type.name()) {
          case "Q4_0" -> new Layout(4, 32, Sides.F16);
          case "Q8_0", "Q5_0", "IQ4_NL", "MXFP4" -> new Layout(8, 32, Sides.F16);
          case "NVFP4" -> new Layout(8, 16, Sides.F16);
          case "Q4_1" -> new Layout(4, 32, Sides.F16_MIN);
          case "Q5_1" -> new Layout(8, 32, Sides.F16_MIN);
          case "Q4_K" -> new Layout(4, 32, Sides.SUPER_MIN);
          case "Q5_K" -> new Layout(8, 32, Sides.SUPER_MIN);
          case "Q2_K" -> new Layout(4, 16, Sides.SUPER_MIN);
          case "Q6_K", "Q3_K" -> new Layout(6, 16, Sides.SUPER);
          default -> null;
        });
  }

  @Override
  public void read(int row, PackedRow target) {
    var type = weight.type();
    int blocks = weight.columns() / type.size();
    int groups = type.size() / type.groupSize();
    long at = (long) row * blocks * type.bytes();
    for (int b = 0; b < blocks; b++, at += type.bytes()) {
      reader.read(weight.blocks(), at, target.codes, b * type.size(), scales);
      int first = b * groups;
      if (layout.sides().twoLevels()) {
        target.scales[b] = Float.float16ToFloat((short) scales.stored()[0]);
        target.minima[b] = Float.float16ToFloat((short) scales.stored()[1]);
        for (int g = 0; g < groups; g++) {
          target.scaleBytes[first + g] = (byte) scales.stored()[2 + g];
          target.minimumBytes[first + g] = (byte) scales.stored()[2 + groups + g];
        }
      } else {
        for (int g = 0; g < groups; g++) {
          target.scales[first + g] = scales.scale()[g];
          target.minima[first + g] = -scales.offset()[g];
        }
      }
    }
  }
}
