package ai.lathe.compress.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.Mask;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Sparse;
import ai.lathe.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CodeScalesTest {

  private static final int ROWS = 3;
  private static final int COLUMNS = 24;
  private static final int SIZE = 8;

  /** Codes of 4 bits with zero points, of which every row keeps two groups of three. */
  private static Sparse weight(DType scaleType) {
    var random = new Random(3);
    var codes = new byte[ROWS * COLUMNS];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (random.nextInt(16) - 8);
    }
    var scales = new float[ROWS * COLUMNS / SIZE];
    var zeros = new byte[scales.length];
    var mask = Matrix.zeros(ROWS, COLUMNS);
    for (int g = 0; g < scales.length; g++) {
      scales[g] = 0.1f + random.nextFloat();
      zeros[g] = (byte) (random.nextInt(9) - 4);
      for (int j = 0; j < SIZE && g % 3 != g / 3; j++) {
        mask.set(g / 3, g % 3 * SIZE + j, 1);
      }
    }
    var stored = Tensor.ofFloats(scales, ROWS, COLUMNS / SIZE).to(scaleType, Arena.ofAuto());
    var scheme = new IntegerScheme(4, SIZE, false, Activations.NONE);
    var all = new GroupQuantized(scheme, ROWS, COLUMNS, codes, stored, zeros);
    return Sparse.of(all, Mask.of(mask), new Pattern.Blocks(1, SIZE));
  }

  @Test
  void gradientsAreThoseOfDifferences() {
    var scales = CodeScales.of(weight(DType.F32), 0.1).orElseThrow();
    var random = new Random(4);
    var c = new float[ROWS * COLUMNS];
    for (int i = 0; i < c.length; i++) {
      c[i] = (float) random.nextGaussian();
    }
    for (int g = 0; g < scales.groups(); g++) {
      scales.logScale.values()[g] = (float) (0.3 * random.nextGaussian());
    }
    var gradient = scales.differentiate(MemorySegment.ofArray(c)).clone();
    float h = 1e-2f;
    for (int g = 0; g < scales.groups(); g++) {
      float at = scales.logScale.values()[g];
      scales.logScale.values()[g] = at + h;
      double above = loss(scales, c);
      scales.logScale.values()[g] = at - h;
      double below = loss(scales, c);
      scales.logScale.values()[g] = at;
      assertThat((double) gradient[g]).isCloseTo((above - below) / (2 * h), within(1e-3));
      assertThat(gradient[g] == 0).as("a group that is not kept").isEqualTo(g % 3 == g / 3);
    }
  }

  private static double loss(CodeScales scales, float[] c) {
    var values = scales.weight(scales.scales()).decode().values();
    double sum = 0;
    for (int i = 0; i < c.length; i++) {
      sum += (double) c[i] * values[i];
    }
    return sum;
  }

  @Test
  void scalesAreThoseThatCanBeStored() {
    var weight = weight(DType.F16);
    var scales = CodeScales.of(weight, 0.1).orElseThrow();
    scales.logScale.values()[1] = 100;
    scales.logScale.values()[2] = -100;
    scales.logScale.values()[3] = 0.1f;
    var stored = scales.scales();
    assertThat(stored[1]).isEqualTo(65_504);
    assertThat(stored[2]).isEqualTo(0x1p-24f);
    assertThat(stored[3]).isEqualTo(Float.float16ToFloat(Float.floatToFloat16(stored[3])));
    var changed = (Sparse) scales.weight(stored);
    assertThat(((Sparse.Values.Codes) changed.values()).scales().toFloats()).isEqualTo(stored);
    assertThat(changed.encoding()).isEqualTo(weight.encoding());
  }

  @Test
  void onlyCodesInGroupsHaveScales() {
    assertThat(CodeScales.of(Dense.of(Matrix.zeros(2, 2)), 0.1)).isEmpty();
    assertThat(CodeScales.of(weight(DType.F16).dense(), 0.1)).isPresent();
  }
}
