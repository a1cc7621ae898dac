package ai.lathe.runtime.kernel.composite;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.layout.Weights;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.SignedLowRank;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CompositesTest {

  private static final int[] TOKENS = {1, 3, 8, 40};

  private static final ProductChoice FACTORS =
      (_, _) -> new ProductChoice.Verdict(true, true, 8, "of a test");

  private static final ProductChoice MULTIPLIED_OUT =
      (_, _) -> new ProductChoice.Verdict(false, false, 8, "of a test");

  /** The one for three tokens, the other for eight. */
  private static final ProductChoice BOTH =
      (_, _) -> new ProductChoice.Verdict(true, false, 3, "of a test");

  private final Workers workers = new Workers(2);
  private final Input input = new Input(workers);
  private final Random random = new Random(7);

  static List<KernelProvider> providers() {
    return Providers.offers().stream()
        .filter(offer -> offer.refusal().isEmpty())
        .map(offer -> Providers.choose(offer.name()))
        .toList();
  }

  @AfterEach
  void close() {
    workers.close();
  }

  private Dense dense(DType type, int rows, int columns) {
    var values = new float[rows * columns];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return new Dense(Tensor.ofFloats(values, rows, columns).to(type, Arena.ofAuto()));
  }

  private Product lowRank(DType type, int rows, int columns, int rank) {
    return Product.lowRank(dense(type, rows, rank), dense(type, rank, columns));
  }

  private BlockDiagonal diagonal(DType type, int blocks, int size) {
    var values = dense(type, blocks * size, size).tensor().toFloats();
    return new BlockDiagonal(Tensor.ofFloats(values, blocks, size, size).to(type, Arena.ofAuto()));
  }

  private Sparse twoOfFour(DType type, int rows, int columns) {
    var matrix = Matrix.zeros(rows, columns);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j += 4) {
        int first = random.nextInt(4);
        matrix.set(i, j + first, (float) random.nextGaussian());
        matrix.set(i, j + (first + 1 + random.nextInt(3)) % 4, (float) random.nextGaussian());
      }
    }
    var mask = Mask.of(matrix);
    var dense = new Dense(Dense.of(matrix).tensor().to(type, Arena.ofAuto()));
    return Sparse.of(dense, mask, new Pattern.SemiStructured(2, 4));
  }

  private Product armor(DType type, int rows, int columns, int size) {
    return new Product(
        List.of(
            diagonal(type, rows / size, size),
            twoOfFour(type, rows, columns),
            diagonal(type, columns / size, size)));
  }

  private SignedLowRank signs(int rows, int columns) {
    var signs = new byte[Math.ceilDiv(rows * columns, 8)];
    random.nextBytes(signs);
    return new SignedLowRank(
        rows,
        columns,
        MemorySegment.ofArray(signs),
        dense(DType.F16, rows, 2).tensor(),
        dense(DType.F16, 2, columns).tensor());
  }

  private float[] gaussians(int count) {
    return dense(DType.F32, 1, count).tensor().toFloats();
  }

  private float[] multiply(PackedMatrix matrix, float[] x, int tokens) {
    input.set(segment(x), tokens, matrix.columns());
    matrix.prepare(input);
    return multiply(matrix, tokens);
  }

  /** In two parts, each with rows of its own, into memory with gaps. */
  private float[] multiply(PackedMatrix matrix, int tokens) {
    int rows = matrix.rows();
    int stride = rows + 3;
    int cut = Math.min(rows, Math.ceilDiv(rows / 2, matrix.stripe(tokens)) * matrix.stripe(tokens));
    var out = Arena.ofAuto().allocate(4L * (tokens * stride + 2), 64);
    matrix.multiply(input, 0, cut, out, 2, stride);
    if (cut < rows) {
      matrix.multiply(input, cut, rows, out, 2, stride);
    }
    var result = new float[tokens * rows];
    for (int t = 0; t < tokens; t++) {
      MemorySegment.copy(out, JAVA_FLOAT, 4L * (2 + t * stride), result, t * rows, rows);
    }
    return result;
  }

  private static MemorySegment segment(float[] values) {
    var segment = Arena.ofAuto().allocate(4L * values.length, 64);
    MemorySegment.copy(values, 0, segment, JAVA_FLOAT, 0, values.length);
    return segment;
  }

  /** Against sums in double over the decoded weight. */
  private static void assertProducts(LinearWeight weight, float[] x, int tokens, float[] actual) {
    var w = weight.decode();
    int n = weight.columns();
    for (int t = 0; t < tokens; t++) {
      for (int i = 0; i < weight.rows(); i++) {
        double sum = 0;
        double size = 0;
        for (int k = 0; k < n; k++) {
          sum += (double) w.at(i, k) * x[t * n + k];
          size += Math.abs(w.at(i, k) * x[t * n + k]);
        }
        assertThat((double) actual[t * weight.rows() + i])
            .as("token %d of %d, row %d", t, tokens, i)
            .isCloseTo(sum, within(2e-5 * size + 1e-4));
      }
    }
  }

  private Sparse halfOf(DType type, int rows, int columns) {
    var matrix = dense(DType.F32, rows, columns).decode();
    for (int i = 0; i < rows * columns; i++) {
      matrix.values()[i] = random.nextBoolean() ? matrix.values()[i] : 0;
    }
    var dense = new Dense(Dense.of(matrix).tensor().to(type, Arena.ofAuto()));
    return Sparse.of(dense, Mask.of(matrix), Pattern.UNSTRUCTURED);
  }

  private void assertRuns(KernelProvider provider, LinearWeight weight) {
    for (var choice : List.of(FACTORS, MULTIPLIED_OUT, BOTH)) {
      var matrix = Composites.of(provider, weight, Arena.ofAuto(), choice).orElseThrow();
      for (int tokens : TOKENS) {
        var x = gaussians(tokens * weight.columns());
        assertProducts(weight, x, tokens, multiply(matrix, x, tokens));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void aProductIsRunFactorByFactorOrMultipliedOut(KernelProvider provider) {
    for (var weight :
        List.of(
            lowRank(DType.F16, 70, 90, 7),
            lowRank(DType.BF16, 64, 130, 32),
            lowRank(DType.F32, 33, 21, 1),
            lowRank(DType.F16, 300, 250, 140),
            new Product(List.of(halfOf(DType.BF16, 90, 40), dense(DType.BF16, 40, 70))),
            new Product(List.of(halfOf(DType.F16, 70, 33), dense(DType.F16, 33, 90))),
            armor(DType.BF16, 128, 160, 32),
            armor(DType.F32, 100, 120, 20),
            new Product(
                List.of(
                    diagonal(DType.F16, 5, 3),
                    dense(DType.F16, 15, 4),
                    dense(DType.F32, 4, 100))))) {
      assertRuns(provider, weight);
    }
  }

  /** Inputs of each factor are rounded to codes, so this is held against the factors themselves. */
  @ParameterizedTest
  @MethodSource("providers")
  void factorsInCodesReadWhatTheNextOneMade(KernelProvider provider) {
    var first = Weights.groups(8, 0, true, Activations.NONE, DType.F16, 70, 48, random);
    var last = Weights.groups(4, 16, true, Activations.NONE, DType.F16, 48, 96, random);
    var product =
        Composites.of(provider, Product.lowRank(first, last), Arena.ofAuto(), FACTORS)
            .orElseThrow();
    for (int tokens : TOKENS) {
      var x = gaussians(tokens * 96);
      var between = multiply(provider.prepare(last, Arena.ofAuto()), x, tokens);
      var expected = multiply(provider.prepareFactor(first, Arena.ofAuto()), between, tokens);
      assertThat(multiply(product, x, tokens)).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void theLabelSaysHowAProductIsExecutedAndWhy(KernelProvider provider) {
    var weight = lowRank(DType.F32, 40, 60, 36);
    var matrix = provider.prepare(weight, Arena.ofAuto());
    assertThat(matrix.label())
        .startsWith("rank 36 F32 multiplied out: ")
        .contains("; because with one token factors are 0.")
        .endsWith(" times as fast as multiplied out");
    var both = Composites.of(provider, weight, Arena.ofAuto(), BOTH).orElseThrow();
    assertThat(both.label())
        .contains(") * (", "; with more than 3 tokens rank 36 F32 multiplied out: ")
        .endsWith("; because of a test");
  }

  @ParameterizedTest
  @MethodSource("providers")
  void blocksAlongTheDiagonal(KernelProvider provider) {
    for (int size : new int[] {1, 3, 16, 20, 32, 50}) {
      for (var type : List.of(DType.F32, DType.BF16)) {
        var weight = diagonal(type, 5, size);
        var matrix = provider.prepare(weight, Arena.ofAuto());
        for (int tokens : TOKENS) {
          var x = gaussians(tokens * weight.columns());
          assertProducts(weight, x, tokens, multiply(matrix, x, tokens));
        }
      }
    }
  }

  private ModeMatrix modes(int[] blocks, int outer, int inner) {
    int all = blocks[0] * blocks[1] * blocks[2] * blocks[3];
    var tensor = dense(DType.F16, 1, all).tensor();
    return new ModeMatrix(tensor.reshape(blocks[0], blocks[1], blocks[2], blocks[3]), outer, inner);
  }

  @ParameterizedTest
  @MethodSource("providers")
  void blocksAlongAnIndex(KernelProvider provider) {
    for (int outer : new int[] {1, 3}) {
      for (int inner : new int[] {1, 2, 5, 8, 16, 21, 64}) {
        for (int ofOuter : outer == 1 ? new int[] {1} : new int[] {1, outer}) {
          for (int ofInner : inner == 1 ? new int[] {1} : new int[] {1, inner}) {
            for (int high : new int[] {1, 4, 19}) {
              var weight = modes(new int[] {ofOuter, ofInner, high, 6}, outer, inner);
              var matrix = provider.prepare(weight, Arena.ofAuto());
              for (int tokens : new int[] {1, 3}) {
                var x = gaussians(tokens * weight.columns());
                assertProducts(weight, x, tokens, multiply(matrix, x, tokens));
              }
            }
          }
        }
      }
    }
  }

  /** Those that the vector unit runs as matrices of their own. */
  @ParameterizedTest
  @MethodSource("providers")
  void fewLargeBlocksAlongAnIndex(KernelProvider provider) {
    for (var weight :
        List.of(
            modes(new int[] {3, 1, 130, 140}, 3, 1),
            modes(new int[] {1, 4, 144, 129}, 1, 4),
            modes(new int[] {2, 3, 131, 136}, 2, 3))) {
      var matrix = provider.prepare(weight, Arena.ofAuto());
      for (int tokens : new int[] {3, 1, 9}) {
        var x = gaussians(tokens * weight.columns());
        assertProducts(weight, x, tokens, multiply(matrix, x, tokens));
      }
    }
  }

  /** Small ones are decoded when they are packed; large ones are run from codes, each by itself. */
  @ParameterizedTest
  @MethodSource("providers")
  void blocksInCodesAlongAnIndex(KernelProvider provider) {
    for (int inner : new int[] {1, 4, 21}) {
      var weight = new ModeMatrix(codes(4, 3 * inner * 5, 16), true, true, 3, inner);
      var shared = new ModeMatrix(codes(8, 5, 32), false, false, 3, inner);
      for (var modes : List.of(weight, shared)) {
        var x = gaussians(3 * modes.columns());
        var matrix = provider.prepare(modes, Arena.ofAuto());
        assertProducts(modes, x, 3, multiply(matrix, x, 3));
      }
    }
    int high = 144;
    int wide = 160;
    var codes = codes(4, 4 * high, wide);
    var large = new ModeMatrix(codes, false, true, 1, 4);
    var matrix = provider.prepare(large, Arena.ofAuto());
    for (int tokens : new int[] {1, 9}) {
      var x = gaussians(tokens * large.columns());
      var y = multiply(matrix, x, tokens);
      if (provider.name().equals("scalar")) {
        assertProducts(large, x, tokens, y);
        continue;
      }
      assertThat(matrix.label()).contains("4 blocks of 4 bits g16, inputs int8");
      for (int t = 0; t < 4; t++) {
        var own = new float[tokens * wide];
        for (int i = 0; i < own.length; i++) {
          own[i] = x[i / wide * large.columns() + i % wide * 4 + t];
        }
        var block = provider.prepare(codes.slice(t * high, (t + 1) * high), Arena.ofAuto());
        var expected = multiply(block, own, tokens);
        for (int i = 0; i < expected.length; i++) {
          assertThat(y[i / high * large.rows() + i % high * 4 + t]).isEqualTo(expected[i]);
        }
      }
    }
  }

  private GroupQuantized codes(int bits, int rows, int columns) {
    return Weights.groups(bits, 16, true, Activations.NONE, DType.F16, rows, columns, random);
  }

  /** Monarch's two factors, and three cores of a matrix product operator behind a diagonal. */
  @ParameterizedTest
  @MethodSource("providers")
  void aChainOfCoresIsContractedOneByOne(KernelProvider provider) {
    var monarch =
        new Product(
            List.of(modes(new int[] {1, 4, 24, 6}, 1, 4), modes(new int[] {6, 1, 4, 20}, 6, 1)));
    var cores =
        new Product(
            List.of(
                modes(new int[] {1, 1, 8, 24}, 1, 20),
                modes(new int[] {1, 1, 12, 18}, 8, 5),
                modes(new int[] {1, 1, 15, 7}, 48, 1),
                modes(new int[] {1, 8 * 6 * 7, 1, 1}, 1, 8 * 6 * 7)));
    for (var weight : List.of(monarch, cores)) {
      assertRuns(provider, weight);
    }
  }

  /** The part in codes rounds the input for itself; the factors see it as it is. */
  @ParameterizedTest
  @MethodSource("providers")
  void aSumIsItsPartsSum(KernelProvider provider) {
    for (var activations : List.of(Activations.NONE, Activations.INT8_TOKEN)) {
      var base = Weights.groups(8, 0, true, activations, DType.F32, 70, 96, random);
      var low = lowRank(DType.F16, 70, 96, 8);
      var matrix = provider.prepare(new Sum(List.of(base, low)), Arena.ofAuto());
      var first = provider.prepare(base, Arena.ofAuto());
      for (int tokens : TOKENS) {
        var x = gaussians(tokens * 96);
        var rounded = multiply(first, x, tokens);
        var exact = multiply(provider.prepare(low, Arena.ofAuto()), x, tokens);
        var both = multiply(matrix, x, tokens);
        for (int i = 0; i < both.length; i++) {
          assertThat(both[i]).isEqualTo(rounded[i] + exact[i]);
        }
        assertProducts(low, x, tokens, exact);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("providers")
  void partsWithoutAKernelAreDecodedTogether(KernelProvider provider) {
    var low = lowRank(DType.F16, 48, 80, 4);
    var inner = new Sum(List.of(signs(48, 80), low));
    var weight = new Sum(List.of(inner, signs(48, 80)));
    var matrix = provider.prepare(weight, Arena.ofAuto());
    assertThat(matrix.label()).startsWith("(").containsPattern("2 x sign \\* rank 2,? decoded");
    var x = gaussians(5 * 80);
    assertProducts(weight, x, 5, multiply(matrix, x, 5));
  }

  /** As query, key and value do, layer after layer. */
  @ParameterizedTest
  @MethodSource("providers")
  void severalMatricesReadOneInput(KernelProvider provider) {
    var layers = new java.util.ArrayList<List<LinearWeight>>();
    for (int layer = 0; layer < 3; layer++) {
      layers.add(
          List.of(
              new Sum(List.of(dense(DType.F32, 48, 64), lowRank(DType.F16, 48, 64, 3 + layer))),
              armor(DType.F32, 32, 64, 16),
              lowRank(DType.BF16, 16, 64, 5)));
    }
    for (int tokens : new int[] {5, 1, 9}) {
      for (var layer : layers) {
        var matrices = layer.stream().map(w -> provider.prepare(w, Arena.ofAuto())).toList();
        var x = gaussians(tokens * 64);
        input.set(segment(x), tokens, 64);
        matrices.forEach(matrix -> matrix.prepare(input));
        for (int i = matrices.size() - 1; i >= 0; i--) {
          assertProducts(layer.get(i), x, tokens, multiply(matrices.get(i), tokens));
        }
      }
    }
  }

  @Test
  void multiplicationsAreCounted() {
    assertThat(Composites.multiplications(lowRank(DType.F16, 40, 60, 3))).isEqualTo(3 * 100);
    assertThat(Composites.multiplications(armor(DType.F32, 64, 32, 16)))
        .isEqualTo(64 * 16 + 32 * 32 + 32 * 16);
    var sum = new Sum(List.of(dense(DType.F32, 8, 8), lowRank(DType.F16, 8, 8, 2)));
    assertThat(Composites.multiplications(sum)).isEqualTo(64 + 32);
  }
}
