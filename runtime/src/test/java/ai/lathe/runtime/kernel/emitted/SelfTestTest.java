package ai.lathe.runtime.kernel.emitted;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.PlainRounding;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import ai.lathe.runtime.kernel.scalar.ScalarStripes;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** With plain Java in place of machine code, so that it runs on every machine. */
class SelfTestTest {

  private static final Layout LAYOUT = new Layout(4, 32, Sides.F16);

  private static PackedMatrix plain(Stripes stripes, InputRule rule) {
    var kind = new InputForm.Kind<>("plain", () -> new Int8Input(new PlainRounding(rule)));
    return new ScalarStripes(stripes, rule, kind);
  }

  @Test
  void passesWhatIsRight() {
    assertThatCode(() -> SelfTest.run(LAYOUT, SelfTestTest::plain)).doesNotThrowAnyException();
  }

  /** Right but for the last bit of one result, of 16 tokens alone. */
  @Test
  void seesOneBit() {
    assertThatThrownBy(() -> SelfTest.run(LAYOUT, (stripes, rule) -> new Off(plain(stripes, rule))))
        .isInstanceOf(Unavailable.class)
        .hasMessageMatching(
            "the kernel of 4 bits g32 for 16 tokens computes \\S+ where \\S+ is right");
  }

  private record Off(PackedMatrix matrix) implements PackedMatrix {
    @Override
    public int rows() {
      return matrix.rows();
    }

    @Override
    public int columns() {
      return matrix.columns();
    }

    @Override
    public int stripe() {
      return matrix.stripe();
    }

    @Override
    public long bytes() {
      return matrix.bytes();
    }

    @Override
    public String label() {
      return matrix.label();
    }

    @Override
    public void prepare(Input input) {
      matrix.prepare(input);
    }

    @Override
    public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
      matrix.multiply(input, from, to, out, at, stride);
      if (input.tokens() == 16) {
        float last = out.getAtIndex(ValueLayout.JAVA_FLOAT, to - 1);
        out.setAtIndex(ValueLayout.JAVA_FLOAT, to - 1, Math.nextUp(last));
      }
    }
  }
}
