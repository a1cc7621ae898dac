package ai.lathe.tensor.block;

import ai.lathe.tensor.BlockScales;
import java.util.List;

/**
 * 32 weights {@code d * level}. Stored: {@code d} (float16), then the codes. The scale's sign is
 * free: the largest magnitude goes to the longer side of the levels.
 */
final class SymmetricBlock extends PlanarBlock {

  private static final int SIZE = 32;

  private final ScaleSearch search;

  SymmetricBlock(
      String name,
      int bytes,
      Levels levels,
      byte[] symbols,
      ScaleSearch search,
      List<Plane> planes) {
    super(name, SIZE, bytes, SIZE, levels, symbols, planes);
    this.search = search;
  }

  SymmetricBlock(String name, int bytes, Levels levels, Plane... planes) {
    this(name, bytes, levels, plain(levels), new ScaleSearch(levels), List.of(planes));
  }

  @Override
  public BlockScales fit(float[] x, int at, float[] importance) {
    var weights =
        ErrorWeights.of(name(), x, at, SIZE, SIZE, importance, ErrorWeights.Default.UNIFORM);
    int d = Half.factorBits(search.symmetric(x, at, SIZE, weights, 0), name());
    return new BlockScales(new float[] {Half.value(d)}, new float[1], new int[] {d});
  }

  @Override
  void writeScales(int[] stored, byte[] block) {
    Half.write(block, 0, stored[0]);
  }

  @Override
  void readScales(byte[] block, int[] stored) {
    stored[0] = Half.read(block, 0);
  }

  @Override
  int storedCount() {
    return 1;
  }

  @Override
  void scales(int[] stored, float[] scale, float[] offset) {
    scale[0] = Half.value(stored[0]);
  }
}
