package ai.lathe.runtime.kernel.emitted;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * What each token of most decoders needs, by machine code, so that the first token of a process
 * does not wait for a compiler; the rest by another provider. Results are the vector provider's of
 * 16 lanes, bit for bit.
 */
final class EmittedRowMath implements RowMath {

  private static final int LANES = 16;
  private static final int PAIR = 2 * LANES;

  private final RowMath beside;
  private final MemorySegment dot;
  private final MemorySegment norm;
  private final MemorySegment add;
  private final MemorySegment scale;
  private final MemorySegment addScaled;
  private final MemorySegment rotate;
  private final MemorySegment activate;
  private final MemorySegment gate;
  private final ThreadLocal<MemorySegment> sums =
      ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(Float.BYTES, 64));

  EmittedRowMath(RowMath beside) throws Pages.Refused {
    this.beside = beside;
    var page = new CodePage();
    page.add(RowKernel.dot());
    page.add(RowKernel.norm());
    page.add(RowKernel.add());
    page.add(RowKernel.scale());
    page.add(RowKernel.addScaled());
    page.add(RowKernel.rotate());
    page.add(RowKernel.logistic(false));
    page.add(RowKernel.logistic(true));
    var functions = page.write();
    dot = functions[0];
    norm = functions[1];
    add = functions[2];
    scale = functions[3];
    addScaled = functions[4];
    rotate = functions[5];
    activate = functions[6];
    gate = functions[7];
  }

  /** The address of elements {@code [at, at + n)}, which machine code does not check. */
  private static long address(MemorySegment x, long at, long n) {
    Objects.checkFromIndexSize(at, n, x.byteSize() / Float.BYTES);
    if (!x.isNative() || !x.scope().isAlive()) {
      throw new IllegalStateException("rows are open memory outside the heap");
    }
    return x.address() + at * Float.BYTES;
  }

  /** Of elements that results go to. */
  private static long target(MemorySegment x, long at, long n) {
    if (x.isReadOnly()) {
      throw new IllegalArgumentException("results go to memory that can be written");
    }
    return address(x, at, n);
  }

  private static void run(MemorySegment function, long a, long b, long c, long d, int n) {
    run(function, a, b, c, d, n, 0, 0);
  }

  private static void run(
      MemorySegment function, long a, long b, long c, long d, int n, int g, int h) {
    int vectors = Math.ceilDiv(n, LANES);
    if (vectors > 0) {
      long last = (1L << n - (vectors - 1) * LANES) - 1;
      NativeCall.call(function, a, b, c, d, vectors, last, g, h);
    }
  }

  private static int bits(float value) {
    return Float.floatToRawIntBits(value);
  }

  @Override
  public float dot(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    int pairs = n / PAIR;
    double sum = 0;
    if (pairs > 0) {
      var result = sums.get();
      NativeCall.call(
          dot, address(x, xAt, n), address(y, yAt, n), result.address(), 0, pairs, 0, 0, 0);
      sum = result.get(JAVA_FLOAT, 0);
    }
    for (int i = pairs * PAIR; i < n; i++) {
      sum +=
          (double) x.get(JAVA_FLOAT_UNALIGNED, (xAt + i) * Float.BYTES)
              * y.get(JAVA_FLOAT_UNALIGNED, (yAt + i) * Float.BYTES);
    }
    return (float) sum;
  }

  @Override
  public void rmsNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt) {
    double mean = (double) dot(x, xAt, x, xAt, n) / n;
    float factor = (float) (1 / Math.sqrt(mean + epsilon));
    run(norm, address(x, xAt, n), address(weight, 0, n), target(out, outAt, n), bits(factor), n);
  }

  @Override
  public void add(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    run(add, target(x, xAt, n), address(y, yAt, n), 0, 0, n);
  }

  @Override
  public void scale(MemorySegment x, long at, float factor, int n) {
    run(scale, target(x, at, n), 0, 0, bits(factor), n);
  }

  @Override
  public void addScaled(MemorySegment x, long xAt, float factor, MemorySegment y, long yAt, int n) {
    run(addScaled, target(x, xAt, n), address(y, yAt, n), 0, bits(factor), n);
  }

  @Override
  public void rotate(
      MemorySegment head,
      long at,
      MemorySegment cosines,
      MemorySegment sines,
      long turnAt,
      int half) {
    run(
        rotate,
        target(head, at, half),
        target(head, at + half, half),
        address(cosines, turnAt, half),
        address(sines, turnAt, half),
        half);
  }

  /** What the logistic function is of; 0 where the activation is none of it. */
  private static float linear(Activation f) {
    return switch (f) {
      case SILU -> 1;
      // (1 + tanh(u)) / 2 is the logistic function of 2 u.
      case GELU_TANH -> (float) (2 * Math.sqrt(2 / Math.PI));
      case GELU, RELU -> 0;
    };
  }

  private static float cubic(Activation f) {
    return f == Activation.GELU_TANH ? (float) (2 * Math.sqrt(2 / Math.PI) * 0.044715) : 0;
  }

  @Override
  public void activate(Activation f, MemorySegment x, long at, int n) {
    float linear = linear(f);
    if (linear == 0) {
      beside.activate(f, x, at, n);
    } else {
      run(activate, target(x, at, n), 0, 0, 0, n, bits(linear), bits(-cubic(f)));
    }
  }

  @Override
  public void gate(Activation f, MemorySegment x, long at, MemorySegment up, long upAt, int n) {
    float linear = linear(f);
    if (linear == 0) {
      beside.gate(f, x, at, up, upAt, n);
    } else {
      run(gate, target(x, at, n), address(up, upAt, n), 0, 0, n, bits(linear), bits(-cubic(f)));
    }
  }

  @Override
  public void layerNorm(
      MemorySegment x,
      long xAt,
      MemorySegment weight,
      MemorySegment bias,
      float epsilon,
      int n,
      MemorySegment out,
      long outAt) {
    beside.layerNorm(x, xAt, weight, bias, epsilon, n, out, outAt);
  }

  @Override
  public void cap(MemorySegment x, long at, float cap, int n) {
    beside.cap(x, at, cap, n);
  }

  @Override
  public void softmax(MemorySegment x, long at, int n) {
    beside.softmax(x, at, n);
  }
}
