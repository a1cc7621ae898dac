package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.block.BlockTypes;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Random weights of every kind that has an integer layout. */
public final class Weights {

  private Weights() {}

  /** One of each kind, of a shape near this one that the kind can have. */
  public static List<LinearWeight> all(int rows, int columns, long seed) {
    var random = new Random(seed);
    var weights = new ArrayList<LinearWeight>();
    for (var type : BlockTypes.all()) {
      weights.add(blocks(type, rows, Math.ceilDiv(columns, type.size()) * type.size(), random));
    }
    for (int bits = 2; bits <= 8; bits++) {
      weights.add(groups(bits, 32, true, Activations.NONE, DType.F16, rows, columns, random));
      weights.add(groups(bits, 128, false, Activations.NONE, DType.BF16, rows, columns, random));
    }
    weights.add(groups(4, 16, true, Activations.NONE, DType.F32, rows, columns, random));
    weights.add(groups(4, 48, false, Activations.NONE, DType.F32, rows, columns, random));
    weights.add(groups(8, 16, false, Activations.NONE, DType.F16, rows, columns, random));
    weights.add(groups(4, 0, true, Activations.NONE, DType.F32, rows, columns, random));
    weights.add(groups(8, 0, false, Activations.NONE, DType.BF16, rows, columns, random));
    weights.add(groups(8, 0, true, Activations.INT8_TOKEN, DType.F32, rows, columns, random));
    weights.add(groups(4, 0, true, Activations.INT8_TOKEN, DType.F32, rows, columns, random));
    weights.add(groups(4, 32, true, Activations.INT8_TOKEN, DType.BF16, rows, columns, random));
    weights.add(
        reordered(groups(4, 32, true, Activations.NONE, DType.F16, rows, columns, random), random));
    weights.add(
        reordered(
            groups(4, 64, false, Activations.NONE, DType.F16, rows, columns, random), random));
    weights.add(floats(FloatScheme.mxfp4(Activations.NONE), rows, columns, random));
    weights.add(floats(FloatScheme.nvfp4(Activations.NONE), rows, columns, random));
    return weights;
  }

  /** Random bytes, but for the exponents of their float16 numbers, which are those of weights. */
  public static BlockQuantized blocks(BlockType type, int rows, int columns, Random random) {
    var bytes = new byte[(int) type.bytes(rows, columns)];
    var levels = new byte[type.size()];
    for (int at = 0; at < bytes.length; at += type.bytes()) {
      var x = new float[type.size()];
      for (int i = 0; i < x.length; i++) {
        x[i] = (float) (random.nextGaussian() * 0.05 + (i % 64 == 0 ? 0.1 : 0));
        levels[i] = (byte) random.nextInt(type.codes());
      }
      type.write(type.fit(x, 0, null), levels, 0, MemorySegment.ofArray(bytes), at);
    }
    var blocks = Arena.ofAuto().allocate(bytes.length);
    blocks.copyFrom(MemorySegment.ofArray(bytes));
    return new BlockQuantized(type, rows, columns, blocks);
  }

  public static GroupQuantized groups(
      int bits,
      int group,
      boolean symmetric,
      Activations activations,
      DType scaleType,
      int rows,
      int columns,
      Random random) {
    var scheme = new IntegerScheme(bits, group, symmetric, activations);
    int groups = scheme.groups(columns);
    var scales = new float[rows * groups];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (0.5f + random.nextFloat()) * 0.01f;
    }
    var stored = Tensor.ofFloats(scales, rows, groups).to(scaleType, Arena.ofAuto());
    var zeros = symmetric ? null : codes(scheme, rows * groups, random);
    return new GroupQuantized(
        scheme, rows, columns, codes(scheme, rows * columns, random), stored, zeros);
  }

  private static byte[] codes(IntegerScheme scheme, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) (scheme.min() + random.nextInt(1 << scheme.bits()));
    }
    return codes;
  }

  /** Groups of as many columns as before, chosen at random. */
  private static GroupQuantized reordered(GroupQuantized weight, Random random) {
    var index = new int[weight.columns()];
    for (int j = 0; j < index.length; j++) {
      index[j] = j / weight.scheme().groupSize();
    }
    for (int j = index.length - 1; j > 0; j--) {
      int other = random.nextInt(j + 1);
      int kept = index[j];
      index[j] = index[other];
      index[other] = kept;
    }
    return new GroupQuantized(
        weight.scheme(),
        weight.rows(),
        weight.columns(),
        weight.codes(),
        weight.scales(),
        weight.zeros(),
        index);
  }

  private static FloatQuantized floats(FloatScheme scheme, int rows, int columns, Random random) {
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) random.nextInt(16);
    }
    var tile = scheme.tile();
    var type = scheme.global() ? DType.F8_E4M3 : DType.F8_E8M0;
    var scales = Arena.ofAuto().allocate((long) tile.down(rows) * tile.across(columns));
    for (long i = 0; i < scales.byteSize(); i++) {
      // From 2^-10 to 2^-3; or E4M3 from 2^-3 on.
      scales.set(
          java.lang.foreign.ValueLayout.JAVA_BYTE,
          i,
          (byte) (scheme.global() ? 32 + random.nextInt(64) : 117 + random.nextInt(8)));
    }
    var tensor = new Tensor(type, new long[] {tile.down(rows), tile.across(columns)}, scales);
    return new FloatQuantized(
        scheme, rows, columns, codes, tensor, scheme.global() ? 300f : 1, Float.NaN);
  }
}
