package ai.lathe.runtime.kernel.scalar;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.layout.InputRule;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;
import ai.lathe.runtime.kernel.layout.Stripes;
import java.lang.foreign.MemorySegment;

/**
 * Integer codes of any {@link Layout} with inputs in int8: the {@link Layout}'s arithmetic in plain
 * Java, a row at a time.
 */
public record ScalarStripes(Stripes stripes, InputRule rule, InputForm.Kind<Int8Input> kind)
    implements PackedMatrix {

  private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

  /** A thread's own memory; grows to what was needed most. */
  private static final class Scratch {
    /** Of one row. */
    private int[] codes = {};

    private byte[] inputs = {};

    void grow(int columns, int all) {
      if (codes.length < columns) {
        codes = new int[columns];
      }
      if (inputs.length < all) {
        inputs = new byte[all];
      }
    }
  }

  @Override
  public int rows() {
    return stripes.rows();
  }

  @Override
  public int columns() {
    return stripes.columns();
  }

  @Override
  public int stripe() {
    return Layout.ROWS;
  }

  @Override
  public long bytes() {
    return stripes.bytes();
  }

  @Override
  public String label() {
    return stripes.layout().label() + ", inputs " + rule.label();
  }

  @Override
  public void prepare(Input input) {
    input.form(kind);
  }

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.made(kind);
    var layout = stripes.layout();
    int columns = columns();
    int all = (int) x.codeAt(x.tokens());
    var scratch = SCRATCH.get();
    scratch.grow(columns, all);
    var codes = scratch.codes;
    var inputs = scratch.inputs;
    MemorySegment.copy(x.codes(), JAVA_BYTE, 0, inputs, 0, all);
    for (int r = from; r < to; r++) {
      for (int k = 0; k < columns; k++) {
        codes[k] = stripes.code(r, k);
      }
      for (int t = 0; t < x.tokens(); t++) {
        float y =
            layout.sides() == Sides.ROW
                ? sum(codes, inputs, (int) x.codeAt(t), 0, columns)
                    * (x.scales().getAtIndex(JAVA_FLOAT, x.blockAt(t)) * stripes.factor(r))
                : grouped(codes, inputs, x, t, r) * stripes.factor(r);
        out.setAtIndex(JAVA_FLOAT, at + t * stride + r, y);
      }
    }
  }

  private float grouped(int[] codes, byte[] inputs, Int8Input x, int token, int row) {
    int group = stripes.layout().group();
    boolean minima = stripes.layout().sides().minima();
    boolean halves = group < Int8Input.BLOCK;
    float y = 0;
    for (int k = 0; k < columns(); k += group) {
      float a = x.scales().getAtIndex(JAVA_FLOAT, x.blockAt(token) + k / Int8Input.BLOCK);
      int from = (int) x.codeAt(token);
      int sum = sum(codes, inputs, from, k, Math.min(k + group, columns()));
      y = Math.fma((float) sum, stripes.scale(row, k) * a, y);
      if (minima) {
        int all =
            halves
                ? x.halfSums().getAtIndex(JAVA_INT, 2 * x.blockAt(token) + k / group)
                : x.sums().getAtIndex(JAVA_INT, x.blockAt(token) + k / group);
        y = Math.fma(-stripes.minimum(row, k), a * all, y);
      }
    }
    return y;
  }

  private static int sum(int[] codes, byte[] inputs, int first, int from, int to) {
    int sum = 0;
    for (int k = from; k < to; k++) {
      sum += codes[k] * inputs[first + k];
    }
    return sum;
  }
}
