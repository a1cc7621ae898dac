package ai.lathe.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.FloatRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FloatTypeTest {

  @ParameterizedTest
  @EnumSource(FloatType.class)
  void everyCodeOfAFiniteValueComesBack(FloatType type) {
    for (int code = 0; code < 1 << type.bits(); code++) {
      float value = type.decode((byte) code);
      if (Float.isFinite(value)) {
        assertThat(type.encode(value)).isEqualTo((byte) code);
        assertThat(type.round(value)).isEqualTo(value);
      }
    }
  }

  @Test
  void fourBitValuesAndTheirTies() {
    float[] values = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
    for (int code = 0; code < 8; code++) {
      assertThat(FloatType.E2M1.decode((byte) code)).isEqualTo(values[code]);
      assertThat(FloatType.E2M1.decode((byte) (code | 8))).isEqualTo(-values[code]);
    }
    // Halfway between two values the even code wins; beyond the last one it stays.
    float[] ties = {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5, 7, 1e9f};
    float[] rounded = {0, 1, 1, 2, 2, 4, 4, 6, 6};
    for (int i = 0; i < ties.length; i++) {
      assertThat(FloatType.E2M1.round(ties[i])).isEqualTo(rounded[i]);
      assertThat(FloatType.E2M1.round(-ties[i])).isEqualTo(-rounded[i]);
    }
    assertThat(FloatType.E2M1.round(Math.nextUp(0.25f))).isEqualTo(0.5f);
    assertThat(FloatType.E2M1.round(Math.nextDown(0.75f))).isEqualTo(0.5f);
    assertThat(FloatType.E2M1.round(Math.nextUp(5f))).isEqualTo(6);
  }

  @Test
  void largestValues() {
    assertThat(FloatType.E4M3.decode((byte) 0x7E)).isEqualTo(448);
    assertThat(FloatType.E4M3.decode((byte) 0x7F)).isNaN();
    assertThat(FloatType.E5M2.decode((byte) 0x7B)).isEqualTo(57344);
    for (var type : FloatType.values()) {
      assertThat(type.round(3e38f)).isEqualTo(type.reach());
      assertThat(type.decode(type.encode(-3e38f))).isEqualTo(-type.reach());
      assertThat(type.round(Float.NaN)).isNaN();
    }
  }

  @Property(tries = 300)
  void roundingAndEncodingAgreeAndAreNearest(
      @ForAll FloatType type, @ForAll @FloatRange(min = -8, max = 8) float position) {
    float x = (float) (Math.signum(position) * Math.scalb(1 + position * position, (int) position));
    float rounded = type.round(x);
    assertThat(type.decode(type.encode(x))).isEqualTo(rounded);
    double nearest = Double.MAX_VALUE;
    for (int code = 0; code < 1 << type.bits(); code++) {
      float value = type.decode((byte) code);
      if (Float.isFinite(value)) {
        nearest = Math.min(nearest, Math.abs((double) value - x));
      }
    }
    assertThat(Math.abs((double) rounded - x)).isEqualTo(nearest);
  }
}
