package ai.lathe.runtime.kernel.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.emitted.EmittedProvider;
import ai.lathe.runtime.kernel.emitted.Unavailable;
import ai.lathe.runtime.kernel.scalar.ScalarProvider;
import ai.lathe.runtime.kernel.vector.VectorProvider;
import ai.lathe.runtime.kernel.vector.VectorRounding;
import ai.lathe.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Both kernels against the formula. */
class AttentionKernelTest {

  private static final KernelProvider SCALAR = new ScalarProvider();
  private static final KernelProvider VECTOR = new VectorProvider();
  private static final int[][] SIZES = {
    {48, 40}, {6, 64}, {64, 10}, {1, 33}, {33, 1}, {26, 47}, {128, 65}
  };

  /** Every option with every other, types and lengths around the ends of pages in turn. */
  static List<AttentionCase> cases() {
    var cases = new ArrayList<AttentionCase>();
    int seed = 0;
    var types = new DType[] {DType.F32, DType.F16, DType.BF16};
    for (int[] heads : new int[][] {{3, 3}, {4, 1}, {6, 2}}) {
      for (int size : new int[] {1, 8, 33, 64, 80}) {
        for (int window : new int[] {0, 1, 5, 64, 100, Integer.MAX_VALUE}) {
          for (double cap : new double[] {0, 3}) {
            var type = types[seed % types.length];
            // Both directions where the window is 0.
            var shape =
                new AttentionShape(
                    heads[0],
                    heads[1],
                    size,
                    size,
                    size == 80 ? 0.3 : 1 / Math.sqrt(size),
                    cap,
                    window > 0,
                    window == 0 ? Integer.MAX_VALUE : window);
            int length = new int[] {1, 63, 64, 65, 130, 170, 100}[seed % 7];
            cases.add(new AttentionCase(shape, type, length, seed++));
          }
        }
      }
    }
    // Keys and values of different sizes, among them such as no vector divides.
    for (int[] sizes : SIZES) {
      for (int[] heads : new int[][] {{3, 3}, {4, 2}}) {
        for (int window : new int[] {0, 70, Integer.MAX_VALUE}) {
          var shape =
              new AttentionShape(
                  heads[0],
                  heads[1],
                  sizes[0],
                  sizes[1],
                  0.125,
                  seed % 4 == 0 ? 3 : 0,
                  window > 0,
                  window == 0 ? Integer.MAX_VALUE : window);
          cases.add(new AttentionCase(shape, types[seed % types.length], 65 + seed % 70, seed++));
        }
      }
    }
    return cases;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheFormula(AttentionCase given) {
    var scalar = SCALAR.attention(given.shape, given.layout);
    assertThat(given.error(given.run(scalar, 7))).isLessThan(1e-6);
    var vector = VECTOR.attention(given.shape, given.layout);
    for (int step : new int[] {1, 5, given.length}) {
      assertThat(given.error(given.run(vector, step))).as("%d at once", step).isLessThan(1e-5);
    }
  }

  /** Machine code computes as vectors of 512 bits do, bit for bit. */
  @ParameterizedTest
  @MethodSource("cases")
  void machineCodeIsAsTheVectorUnit(AttentionCase given) {
    assumeTrue(FloatVector.SPECIES_PREFERRED.length() == 16);
    var emitted = emitted().attention(given.shape, given.layout);
    var vector = VECTOR.attention(given.shape, given.layout);
    for (int step : new int[] {1, 5, given.length}) {
      assertThat(given.run(emitted, step))
          .as("%d at once", step)
          .isEqualTo(given.run(vector, step));
    }
  }

  private static KernelProvider emitted() {
    try {
      return EmittedProvider.open(VECTOR, VectorRounding::new);
    } catch (Unavailable e) {
      return abort("machine code cannot run here: " + e.getMessage());
    }
  }

  /** As in a model that runs on from where it has been. */
  @Test
  void aTaskLeavesNothingBehind() {
    var shape = new AttentionShape(4, 2, 16, 16, 0.25, 0, true, Integer.MAX_VALUE);
    var poison = new AttentionCase(shape, DType.F32, 70, 1);
    for (var page : poison.pages) {
      if (page != null) {
        page.fill((byte) 0xff);
      }
    }
    var given = new AttentionCase(shape, DType.F32, 90, 2);
    for (var provider : List.of(SCALAR, VECTOR)) {
      var fresh = given.run(provider.attention(shape, given.layout), 8);
      var used = provider.attention(shape, given.layout);
      assertThat(poison.run(used, 70)[0]).isNaN();
      assertThat(given.run(used, 8)).isEqualTo(fresh);
    }
  }

  /** Halves below 6e-5 have no leading one, and are numbers all the same. */
  @Test
  void smallValuesAreKept() {
    var layout = new FloatKeyValues(DType.F16, 1, 4, 4);
    var memory = Arena.ofAuto().allocate(64);
    float[] small = {1e-5f, -3e-6f, 6e-8f, 2e-9f};
    MemorySegment.copy(small, 0, memory, java.lang.foreign.ValueLayout.JAVA_FLOAT, 0, 4);
    var page = Arena.ofAuto().allocate(layout.bytes());
    var heads = new Heads(memory, 0, 4, 4, 1);
    assertThat(layout.store(heads, heads, 0, 1, 0, page, 3)).isTrue();
    var panel = new float[4 * KeyValueLayout.POSITIONS];
    layout.values(page, 0, 3, 4, panel, 4);
    for (int i = 0; i < 4; i++) {
      assertThat(panel[12 + i]).isEqualTo(Float.float16ToFloat(Float.floatToFloat16(small[i])));
    }
  }

  @Test
  void whatDoesNotFitIsReported() {
    var memory = Arena.ofAuto().allocate(64);
    var heads = new Heads(memory, 0, 2, 2, 1);
    for (float value : new float[] {65_520, 1e20f, 3.4e38f, Float.NaN, Float.POSITIVE_INFINITY}) {
      memory.setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 1, value);
      for (var type : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        var layout = new FloatKeyValues(type, 1, 2, 2);
        var page = Arena.ofAuto().allocate(layout.bytes());
        boolean fits =
            switch (type) {
              case F16 -> false;
              // The largest floats round up to infinity in bfloat16.
              case BF16 -> value <= 3.39e38f;
              default -> value <= Float.MAX_VALUE;
            };
        assertThat(layout.store(heads, heads, 0, 1, 0, page, 0))
            .as(type + " " + value)
            .isEqualTo(fits);
      }
    }
    memory.setAtIndex(java.lang.foreign.ValueLayout.JAVA_FLOAT, 1, 65_504);
    var layout = new FloatKeyValues(DType.F16, 1, 2, 2);
    var page = Arena.ofAuto().allocate(layout.bytes());
    assertThat(layout.store(heads, heads, 0, 1, 0, page, 0)).isTrue();
  }
}
