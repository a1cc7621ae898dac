package ai.lathe.tensor.linalg;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Matrix;
import java.util.SplittableRandom;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class GemmTest {

  @Test
  void theTestsThemselvesRunOnTheVectorUnit() {
    assertThat(Gemm.vectorized()).isTrue();
    assertThat(Gemm.kernel()).startsWith("vector");
  }

  @Property(tries = 300)
  void bothKernelsComputeTheDefinitionOnPartsOfAnyShape(
      @ForAll @IntRange(min = 1, max = 130) int rows,
      @ForAll @IntRange(min = 1, max = 130) int columns,
      @ForAll @IntRange(min = 1, max = 300) int depth,
      @ForAll boolean transposeA,
      @ForAll boolean transposeB,
      @ForAll boolean subtract,
      @ForAll long seed) {
    var random = new SplittableRandom(seed);
    var a = part(random, rows, depth, transposeA);
    var b = part(random, depth, columns, transposeB);
    var c = part(random, rows, columns, false);
    var expected = new double[rows][columns];
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        double sum = 0;
        for (int k = 0; k < depth; k++) {
          sum += (double) at(a, i, k) * at(b, k, j);
        }
        expected[i][j] = at(c, i, j) + (subtract ? -sum : sum);
      }
    }
    for (var kernel : new GemmKernel[] {new VectorGemmKernel(), new ScalarGemmKernel()}) {
      var copy = new View(c.values().clone(), c.offset(), c.rowStride(), 1, rows, columns);
      Gemm.multiply(kernel, subtract ? -1 : 1, copy, a, b, false);
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          // |a|, |b| <= 1: each of depth additions errs by at most half an ulp of depth.
          assertThat((double) at(copy, i, j)).isCloseTo(expected[i][j], within(1e-6 * (depth + 1)));
          copy.values()[index(copy, i, j)] = at(c, i, j);
        }
      }
      assertThat(copy.values()).as("outside the part nothing changes").isEqualTo(c.values());
    }
  }

  @Property(tries = 50)
  void upperOnlyEqualsTheWholeProductThere(
      @ForAll @IntRange(min = 1, max = 200) int n,
      @ForAll @IntRange(min = 1, max = 64) int depth,
      @ForAll long seed) {
    var a = part(new SplittableRandom(seed), n, depth, false);
    for (var kernel : new GemmKernel[] {new VectorGemmKernel(), new ScalarGemmKernel()}) {
      var whole = Matrix.zeros(n, n);
      var upper = Matrix.zeros(n, n);
      Gemm.multiply(kernel, -1, View.of(whole), a, a.transposed(), false);
      Gemm.multiply(kernel, -1, View.of(upper), a, a.transposed(), true);
      for (int i = 0; i < n; i++) {
        for (int j = i; j < n; j++) {
          assertThat(upper.at(i, j)).isEqualTo(whole.at(i, j));
        }
      }
    }
  }

  @Property(tries = 100)
  void axpyAddsAMultiple(@ForAll @IntRange(min = 0, max = 150) int count, @ForAll long seed) {
    var random = new SplittableRandom(seed);
    var x = values(random, count + 7);
    var y = values(random, count + 9);
    for (var kernel : new GemmKernel[] {new VectorGemmKernel(), new ScalarGemmKernel()}) {
      var result = y.clone();
      kernel.axpy(count, 0.7f, x, 3, result, 5);
      for (int i = 0; i < result.length; i++) {
        boolean inside = i >= 5 && i < 5 + count;
        double expected = inside ? y[i] + 0.7f * (double) x[i - 2] : y[i];
        assertThat((double) result[i]).isCloseTo(expected, within(inside ? 2e-7 : 0));
      }
    }
  }

  @Test
  void shapesThatDoNotFitAreRefused() {
    var m = View.of(Matrix.zeros(2, 3));
    assertThatThrownBy(() -> Gemm.add(m, m, m)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> m.part(0, 3, 0, 3)).isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new View(new float[5], 0, 3, 1, 2, 3))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anExceptionInOneOfManyTasksIsThrownToTheCaller() {
    assertThatThrownBy(
            () ->
                Parallel.forEach(
                    1000,
                    i -> {
                      if (i == 700) {
                        throw new IllegalStateException("seven hundred");
                      }
                    }))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("seven hundred");
  }

  @Test
  void eachIndexIsVisitedOnceAlsoWhenNested() {
    var visits = new java.util.concurrent.atomic.AtomicIntegerArray(64 * 64);
    Parallel.forEach(64, i -> Parallel.forEach(64, j -> visits.incrementAndGet(i * 64 + j)));
    for (int i = 0; i < visits.length(); i++) {
      assertThat(visits.get(i)).isEqualTo(1);
    }
  }

  /** A part in the middle of a larger random matrix. */
  private static View part(SplittableRandom random, int rows, int columns, boolean transposed) {
    int r = transposed ? columns : rows;
    int c = transposed ? rows : columns;
    var whole = new Matrix(r + 3, c + 5, values(random, (r + 3) * (c + 5)));
    var part = View.of(whole, 1, 1 + r, 2, 2 + c);
    return transposed ? part.transposed() : part;
  }

  private static float[] values(SplittableRandom random, int count) {
    var values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  private static int index(View view, int i, int j) {
    return view.offset() + i * view.rowStride() + j * view.columnStride();
  }

  private static float at(View view, int i, int j) {
    return view.values()[index(view, i, j)];
  }
}
