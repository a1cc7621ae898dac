package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import java.util.List;

/** 32 weights {@code d * code + m}. Stored: {@code d} and {@code m} (float16), then the codes. */
final class AffineBlock extends PlanarBlock {

  private static final int SIZE = 32;

  private final ScaleSearch search;

  AffineBlock(String name, int bytes, Levels levels, Plane... planes) {
    super(name, SIZE, bytes, SIZE, levels, plain(levels), List.of(planes));
    this.search = new ScaleSearch(levels);
  }

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights =
        ErrorWeights.of(name(), x, at, SIZE, SIZE, importance, ErrorWeights.Default.UNIFORM);
    var grid = search.affine(x, at, SIZE, weights, 0, false);
    int d = Half.factorBits(grid.scale(), name());
    int m = Half.bits(grid.offset(), name());
    return new BlockScales(
        new float[] {Half.value(d)}, new float[] {Half.value(m)}, new int[] {d, m});
  }

  @Override
  void writeScales(int[] stored, byte[] block) {
    Half.write(block, 0, stored[0]);
    Half.write(block, 2, stored[1]);
  }

  @Override
  void readScales(byte[] block, int[] stored) {
    stored[0] = Half.read(block, 0);
    stored[1] = Half.read(block, 2);
  }

  @Override
  int storedCount() {
    return 2;
  }

  @Override
  public boolean holdsZero() {
    return false;
  }

  @Override
  void scales(int[] stored, float[] scale, float[] offset) {
    scale[0] = Half.value(stored[0]);
    offset[0] = Half.value(stored[1]);
  }
}
