package ai.lathe.format.compressed;

import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;

/** Weights to be stored. */
final class SparseLayers {

  private SparseLayers() {}

  static Dense dense(int rows, int columns, DType type, Random random) {
    return new Dense(floats(random, rows, columns).to(type, Arena.ofAuto()));
  }

  static Tensor floats(Random random, int... shape) {
    int size = 1;
    var lengths = new long[shape.length];
    for (int i = 0; i < shape.length; i++) {
      size *= shape[i];
      lengths[i] = shape[i];
    }
    var values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(values, lengths);
  }

  static GroupQuantized codes(
      IntegerScheme scheme, int rows, int columns, DType scales, Random random) {
    int groups = scheme.groups(columns);
    var weight =
        new GroupQuantized(
            scheme,
            rows,
            columns,
            codes(scheme, rows * columns, random),
            floats(random, rows, groups).to(scales, Arena.ofAuto()),
            scheme.symmetric() ? null : codes(scheme, rows * groups, random));
    return scheme.activations().calibrated() ? weight.withInputScale(0.375f) : weight;
  }

  private static byte[] codes(IntegerScheme scheme, int count, Random random) {
    var codes = new byte[count];
    for (int i = 0; i < count; i++) {
      codes[i] = (byte) random.nextInt(scheme.min(), scheme.max() + 1);
    }
    return codes;
  }

  /** Keeps what the pattern allows; a third where it leaves the choice. */
  static Mask mask(Pattern pattern, int rows, int columns, Random random) {
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    switch (pattern) {
      case Pattern.Unstructured() -> {
        for (int i = 0; i < rows * columns; i++) {
          if (random.nextInt(3) == 0) {
            keep(bits, words, i / columns, i % columns);
          }
        }
      }
      case Pattern.SemiStructured(int kept, int of) -> {
        for (int i = 0; i < rows * columns; i += of) {
          int first = random.nextInt(of);
          for (int k = 0; k < kept; k++) {
            keep(bits, words, i / columns, i % columns + (first + k) % of);
          }
        }
      }
      case Pattern.Blocks(int high, int wide) -> {
        for (int row = 0; row < rows; row += high) {
          for (int j = 0; j < columns; j += wide) {
            if (random.nextInt(3) == 0) {
              for (int i = 0; i < high * wide; i++) {
                keep(bits, words, row + i / wide, j + i % wide);
              }
            }
          }
        }
      }
    }
    return new Mask(rows, columns, bits);
  }

  private static void keep(long[] bits, int words, int row, int column) {
    bits[row * words + (column >> 6)] |= 1L << column;
  }

  static Sparse sparse(LinearWeight weight, Pattern pattern, Random random) {
    return Sparse.of(weight, mask(pattern, weight.rows(), weight.columns(), random), pattern);
  }
}
