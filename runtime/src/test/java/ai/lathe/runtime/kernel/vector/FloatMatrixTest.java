package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.FloatQuantized;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.FloatType;
import ai.lathe.tensor.GroupScale;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;

/** Products of stored floats against sums in double, for both ways of computing. */
class FloatMatrixTest {

  private static final int[] TOKENS = {1, 2, 3, 4, 6, 8, 9, 17, 33, 129};

  /** Around every kernel's number of rows and columns; the last is wider than what is turned. */
  private static final int[][] SHAPES = {{1, 1}, {3, 5}, {5, 16}, {33, 17}, {70, 131}, {9, 300}};

  @SuppressWarnings("unused") // by name
  private static final List<ScaleTile> TILES =
      List.of(
          ScaleTile.TENSOR,
          ScaleTile.CHANNEL,
          ScaleTile.group(32),
          ScaleTile.group(10),
          new ScaleTile(16, 48));

  private final Workers workers = new Workers(2);
  private final Input input = new Input(workers);
  private final Random random = new Random(5);

  @AfterEach
  void close() {
    workers.close();
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16", "F64", "F8_E4M3"})
  void productsOfAllShapes(DType type) {
    for (var provider : new KernelProvider[] {new ScalarProvider(), new VectorProvider()}) {
      for (var shape : SHAPES) {
        var weight = dense(type, shape[0], shape[1]);
        var matrix = provider.prepare(weight, Arena.ofAuto());
        for (int tokens : TOKENS) {
          var x = gaussians(tokens * shape[1]);
          assertProducts(weight, matrix, x, tokens);
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void storedNumbersOfAllMagnitudesAreExact(DType type) {
    // One column: the product is the value itself.
    int rows = 1 << 16;
    var bits = Arena.ofAuto().allocate(type.bytes(rows) + 1, 64).asSlice(1);
    for (int i = 0; i < rows; i++) {
      switch (type) {
        case F32 -> bits.set(JAVA_FLOAT_UNALIGNED, i * 4L, Float.intBitsToFloat(i * 65521));
        default -> bits.set(JAVA_SHORT_UNALIGNED, i * 2L, (short) i);
      }
    }
    int columns = 32;
    var tensor = new Tensor(type, new long[] {rows / columns, columns}, bits);
    var expected = tensor.toFloats();
    for (int tokens : new int[] {1, 4, 32}) {
      var matrix = new VectorProvider().prepare(new Dense(tensor), Arena.ofAuto());
      // Finite numbers picked out one by one; beside an infinite one there is only NaN.
      for (int column = 0; column < columns; column += tokens) {
        var x = new float[tokens * columns];
        for (int t = 0; t < tokens; t++) {
          x[t * columns + column + t] = 1;
        }
        var out = multiply(matrix, x, tokens);
        for (int row = 0; row < rows / columns; row++) {
          boolean finite = true;
          for (int k = 0; k < columns; k++) {
            finite &= Float.isFinite(expected[row * columns + k]);
          }
          for (int t = 0; t < tokens; t++) {
            float value = expected[row * columns + column + t];
            float actual = out[t * matrix.rows() + row];
            if (finite ? actual != value : Float.isFinite(actual)) {
              fail("row %s column %s: %s instead of %s", row, column + t, actual, value);
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @FieldSource("TILES")
  void smallFloatsWithScalesOfTiles(ScaleTile tile) {
    for (var type : new FloatType[] {FloatType.E4M3, FloatType.E5M2}) {
      for (var shape : SHAPES) {
        var weight = quantized(type, tile, shape[0], shape[1]);
        for (var provider : new KernelProvider[] {new ScalarProvider(), new VectorProvider()}) {
          var matrix = provider.prepare(weight, Arena.ofAuto());
          for (int tokens : TOKENS) {
            assertProducts(weight, matrix, gaussians(tokens * shape[1]), tokens);
          }
        }
      }
    }
  }

  @Test
  void smallFloatsOfAllCodes() {
    for (var type : new FloatType[] {FloatType.E4M3, FloatType.E5M2}) {
      var codes = new byte[256 * 16];
      for (int i = 0; i < codes.length; i++) {
        codes[i] = (byte) (i >> 4);
      }
      var scheme = new FloatScheme(type, ScaleTile.TENSOR, GroupScale.FLOAT, Activations.NONE);
      var scale = Tensor.ofFloats(new float[] {1}, 1, 1);
      var weight = new FloatQuantized(scheme, 256, 16, codes, scale, 1, Float.NaN);
      var x = new float[16];
      x[3] = 1;
      var matrix = new VectorProvider().prepare(weight, Arena.ofAuto());
      assertThat(matrix.label()).contains("decoded to float32");
      var out = multiply(matrix, x, 1);
      for (int code = 0; code < 256; code++) {
        float expected = type.decode((byte) code);
        if (Float.isFinite(expected)) {
          assertThat(out[code]).isEqualTo(expected == 0 ? 0f : expected);
        } else {
          assertThat(out[code]).isNaN();
          Arrays.fill(codes, code * 16, code * 16 + 16, (byte) 1);
        }
      }
      // Without those that are no numbers it stays in bytes.
      var finite = new FloatQuantized(scheme, 256, 16, codes, scale, 1, Float.NaN);
      var bytes = new VectorProvider().prepare(finite, Arena.ofAuto());
      if (FloatVector.SPECIES_PREFERRED.vectorBitSize() >= 256) {
        assertThat(bytes.label()).doesNotContain("decoded");
      }
      out = multiply(bytes, x, 1);
      for (int code = 0; code < 256; code++) {
        float expected = type.decode(codes[code * 16]);
        assertThat(out[code]).isEqualTo(expected == 0 ? 0f : expected);
      }
    }
  }

  private FloatQuantized quantized(FloatType type, ScaleTile tile, int rows, int columns) {
    var codes = new byte[rows * columns];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = type.encode((float) (60 * random.nextGaussian()));
    }
    var scales = new float[tile.down(rows) * tile.across(columns)];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = (float) Math.exp(random.nextGaussian());
    }
    var scheme = new FloatScheme(type, tile, GroupScale.FLOAT, Activations.NONE);
    var stored = Tensor.ofFloats(scales, tile.down(rows), tile.across(columns));
    return new FloatQuantized(scheme, rows, columns, codes, stored, 1.5f, Float.NaN);
  }

  private SignedLowRank signs(int rows, int columns, int rank) {
    var signs = new byte[Math.ceilDiv(rows * columns, 8)];
    random.nextBytes(signs);
    var u = dense(DType.F16, rows, rank).tensor();
    var vt = dense(DType.F16, rank, columns).tensor();
    return new SignedLowRank(rows, columns, MemorySegment.ofArray(signs), u, vt);
  }

  @Test
  void whatHasNoKernelIsDecodedOnceAndSaysSo() {
    var sum = new Sum(List.of(signs(19, 21, 2), signs(19, 21, 1)));
    var matrix = new VectorProvider().prepare(sum, Arena.ofAuto());
    assertThat(matrix.label())
        .isEqualTo(sum.encoding().label() + " decoded to float32, inputs float32");
    for (int tokens : TOKENS) {
      assertProducts(sum, matrix, gaussians(tokens * 21), tokens);
    }
  }

  @Test
  void weightsOnTheHeapAreTakenToo() {
    var weight = Dense.of(dense(DType.F32, 20, 30).decode());
    var matrix = new VectorProvider().prepare(weight, Arena.ofAuto());
    assertProducts(weight, matrix, gaussians(30), 1);
  }

  @Test
  void partsOfRowsLeaveTheRestAlone() {
    var weight = dense(DType.BF16, 100, 40);
    var matrix = new VectorProvider().prepare(weight, Arena.ofAuto());
    for (int tokens : new int[] {1, 3, 30}) {
      var x = gaussians(tokens * 40);
      var whole = multiply(matrix, x, tokens);
      input.set(segment(x), tokens, 40);
      matrix.prepare(input);
      int stride = 110;
      int from = matrix.stripe();
      int to = Math.min(3 * matrix.stripe(), 100);
      var out = segment(new float[tokens * stride + 7]);
      matrix.multiply(input, from, to, out, 7, stride);
      for (int t = 0; t < tokens; t++) {
        for (int r = 0; r < stride; r++) {
          float actual = out.get(JAVA_FLOAT_UNALIGNED, (7L + t * stride + r) * 4);
          boolean inside = r >= from && r < to;
          assertThat(actual).isEqualTo(inside ? whole[t * 100 + r] : 0);
        }
      }
    }
  }

  @Test
  void inputsThatAreNotNumbersGiveNone() {
    for (var type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
      var matrix = new VectorProvider().prepare(dense(type, 40, 50), Arena.ofAuto());
      for (int tokens : new int[] {1, 5, 30}) {
        for (int bad : new int[] {0, 49}) {
          var x = gaussians(tokens * 50);
          x[(tokens - 1) * 50 + bad] = Float.NaN;
          var out = multiply(matrix, x, tokens);
          for (int i = 0; i < out.length; i++) {
            assertThat(Float.isNaN(out[i])).isEqualTo(i >= (tokens - 1) * 40);
          }
        }
      }
    }
  }

  @Test
  void manyRowsArePassedOverInSeveralGroupsOfPanels() {
    var weight = dense(DType.F32, 200, 9000);
    var matrix = new VectorProvider().prepare(weight, Arena.ofAuto());
    assertProducts(weight, matrix, gaussians(25 * 9000), 25);
  }

  private void assertProducts(LinearWeight weight, PackedMatrix matrix, float[] x, int tokens) {
    int rows = weight.rows();
    int columns = weight.columns();
    assertThat(matrix.rows()).isEqualTo(rows);
    assertThat(matrix.columns()).isEqualTo(columns);
    var out = multiply(matrix, x, tokens);
    var w = weight.decode().values();
    for (int t = 0; t < tokens; t++) {
      for (int r = 0; r < rows; r++) {
        double sum = 0;
        double magnitude = 0;
        for (int k = 0; k < columns; k++) {
          double product = (double) w[r * columns + k] * x[t * columns + k];
          sum += product;
          magnitude += Math.abs(product);
        }
        if (!(Math.abs(out[t * rows + r] - sum) <= 1e-6 * magnitude)) {
          fail(
              "%s: %s instead of %s for row %s of %s, %s columns, token %s of %s",
              matrix.label(), out[t * rows + r], sum, r, rows, columns, t, tokens);
        }
      }
    }
  }

  /** Shared out among two threads. */
  private float[] multiply(PackedMatrix matrix, float[] x, int tokens) {
    input.set(segment(x), tokens, matrix.columns());
    matrix.prepare(input);
    int rows = matrix.rows();
    var out = segment(new float[tokens * rows]);
    int stripes = Math.ceilDiv(rows, matrix.stripe());
    workers.run(
        (part, parts) -> {
          int from = stripes * part / parts * matrix.stripe();
          int to = Math.min(stripes * (part + 1) / parts * matrix.stripe(), rows);
          matrix.multiply(input, from, to, out, 0, rows);
        });
    return out.toArray(JAVA_FLOAT_UNALIGNED);
  }

  /** At an odd address. */
  private Dense dense(DType type, int rows, int columns) {
    var values = gaussians(rows * columns);
    var data = Arena.ofAuto().allocate(type.bytes(values.length) + 1, 64).asSlice(1);
    Tensor.putFloats(type, values, values.length, data, 0);
    return new Dense(new Tensor(type, new long[] {rows, columns}, data));
  }

  private float[] gaussians(int n) {
    var values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static MemorySegment segment(float[] values) {
    return Arena.ofAuto().allocateFrom(JAVA_FLOAT_UNALIGNED, values);
  }
}
