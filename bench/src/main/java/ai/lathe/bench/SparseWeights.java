package ai.lathe.bench;

import ai.lathe.tensor.Activations;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Random sparse weights.
 *
 * @param type {@code int8} is W8A8 by channel, {@code int8g32} and {@code int4g32} have groups of
 *     32 and inputs in blocks of 32
 */
record SparseWeights(String type, Pattern pattern, double sparsity) {

  /** Values and codes are repeated after so many: time does not depend on them. */
  private static final int PERIOD = 1 << 20;

  static List<SparseWeights> all() {
    var all = new ArrayList<SparseWeights>();
    for (var type : List.of("int8", "int8g32", "int4g32", "F32", "BF16", "F16")) {
      for (double sparsity : new double[] {0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9}) {
        all.add(new SparseWeights(type, Pattern.UNSTRUCTURED, sparsity));
        all.add(new SparseWeights(type, new Pattern.Blocks(16, 4), sparsity));
        all.add(new SparseWeights(type, new Pattern.Blocks(32, 1), sparsity));
        all.add(new SparseWeights(type, new Pattern.Blocks(16, 1), sparsity));
      }
      all.add(new SparseWeights(type, new Pattern.SemiStructured(2, 4), 0.5));
      all.add(new SparseWeights(type, new Pattern.SemiStructured(1, 4), 0.75));
    }
    return all;
  }

  /** Words, for example {@code int8 unstructured 50%}. */
  String label() {
    return "%s %s %.0f%%".formatted(type, pattern.label(), 100 * sparsity);
  }

  Sparse make(int rows, int columns) {
    return Sparse.of(dense(rows, columns), mask(rows, columns), pattern);
  }

  private LinearWeight dense(int rows, int columns) {
    var random = new SplittableRandom(1);
    int size = Math.multiplyExact(rows, columns);
    if (!type.startsWith("int")) {
      var dtype = DType.valueOf(type);
      var data = Arena.ofAuto().allocate(dtype.bytes(size), 64);
      var values = new float[Math.min(size, PERIOD)];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (0.02 * random.nextGaussian());
      }
      for (int at = 0; at < size; at += values.length) {
        Tensor.putFloats(dtype, values, Math.min(values.length, size - at), data, at);
      }
      return new Dense(new Tensor(dtype, new long[] {rows, columns}, data));
    }
    boolean channel = !type.endsWith("g32");
    var scheme =
        new IntegerScheme(
            type.charAt(3) - '0',
            channel ? IntegerScheme.CHANNEL : 32,
            true,
            channel ? Activations.INT8_TOKEN : Activations.NONE);
    var codes = new byte[size];
    for (int i = 0; i < size; i++) {
      int any = scheme.min() + random.nextInt(1 << scheme.bits());
      codes[i] = i < PERIOD ? (byte) (any == 0 ? 1 : any) : codes[i - PERIOD];
    }
    var scales = new float[rows * scheme.groups(columns)];
    Arrays.fill(scales, 0.01f);
    var stored = Tensor.ofFloats(scales, scales.length).to(DType.F16, Arena.ofAuto());
    return new GroupQuantized(scheme, rows, columns, codes, stored, null);
  }

  private Mask mask(int rows, int columns) {
    var random = new SplittableRandom(3);
    int words = Math.ceilDiv(columns, 64);
    var bits = new long[rows * words];
    for (int row = 0; row < rows; row++) {
      for (int word = 0; word < words; word++) {
        int at = row * words + word;
        bits[at] =
            switch (pattern) {
              case Pattern.Blocks(int high, int wide) ->
                  row % high == 0 ? blocks(wide, random) : bits[at - words];
              case Pattern.SemiStructured(int kept, int of) -> some(kept, of, random);
              case Pattern.Unstructured() -> blocks(1, random);
            };
        bits[at] &= -1L >>> Math.max(0, 64 * (word + 1) - columns);
      }
    }
    return new Mask(rows, columns, bits);
  }

  private long blocks(int wide, SplittableRandom random) {
    long bits = 0;
    for (int i = 0; i < 64; i += wide) {
      bits |= random.nextInt(1000) < 1000 * (1 - sparsity) ? (1L << wide) - 1 << i : 0;
    }
    return bits;
  }

  private static long some(int kept, int of, SplittableRandom random) {
    long bits = 0;
    for (int i = 0; i < 64; i += of) {
      for (int left = kept; left > 0; ) {
        long bit = 1L << i + random.nextInt(of);
        left -= (bits & bit) == 0 ? 1 : 0;
        bits |= bit;
      }
    }
    return bits;
  }
}
