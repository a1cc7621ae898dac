package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;
import static jdk.incubator.vector.VectorOperators.MAX;

import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.runtime.kernel.RowMath;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link RowMath} on the vector unit, sums in the lanes of float32 vectors. What needs functions is
 * done block by block in {@link Elementwise}.
 */
final class VectorRowMath implements RowMath {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  /** Elements that are brought to an array, changed there and written back. */
  private static final int BLOCK = 1024;

  private static final class Blocks {
    final float[] x = new float[BLOCK];
    final float[] factor = new float[BLOCK];
    final float[] power = new float[BLOCK];
  }

  private final ThreadLocal<Blocks> blocks = ThreadLocal.withInitial(Blocks::new);

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
    int end = SPECIES.loopBound(n);
    for (int i = 0; i < end; i += LANES) {
      FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN)
          .mul(factor)
          .mul(
              FloatVector.fromMemorySegment(SPECIES, weight, (long) i * Float.BYTES, LITTLE_ENDIAN))
          .intoMemorySegment(out, (outAt + i) * Float.BYTES, LITTLE_ENDIAN);
    }
    for (int i = end; i < n; i++) {
      put(out, outAt + i, get(x, xAt + i) * factor * get(weight, i));
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
    int end = SPECIES.loopBound(n);
    var sums = FloatVector.zero(SPECIES);
    for (int i = 0; i < end; i += LANES) {
      sums =
          sums.add(
              FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN));
    }
    var lanes = Scratch.get().lanes;
    sums.intoArray(lanes, 0);
    double sum = Lanes.sum(lanes, 0);
    for (int i = end; i < n; i++) {
      sum += get(x, xAt + i);
    }
    float mean = (float) (sum / n);
    var squares = FloatVector.zero(SPECIES);
    for (int i = 0; i < end; i += LANES) {
      var deviation =
          FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN)
              .sub(mean);
      squares = deviation.fma(deviation, squares);
    }
    squares.intoArray(lanes, 0);
    double square = Lanes.sum(lanes, 0);
    for (int i = end; i < n; i++) {
      float deviation = get(x, xAt + i) - mean;
      square += deviation * deviation;
    }
    float factor = (float) (1 / Math.sqrt(square / n + epsilon));
    for (int i = 0; i < end; i += LANES) {
      FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN)
          .sub(mean)
          .mul(factor)
          .fma(
              FloatVector.fromMemorySegment(SPECIES, weight, (long) i * Float.BYTES, LITTLE_ENDIAN),
              FloatVector.fromMemorySegment(SPECIES, bias, (long) i * Float.BYTES, LITTLE_ENDIAN))
          .intoMemorySegment(out, (outAt + i) * Float.BYTES, LITTLE_ENDIAN);
    }
    for (int i = end; i < n; i++) {
      float normed = (get(x, xAt + i) - mean) * factor;
      put(out, outAt + i, Math.fma(normed, get(weight, i), get(bias, i)));
    }
  }

  @Override
  public void activate(Activation f, MemorySegment x, long at, int n) {
    var block = blocks.get();
    for (int i = 0; i < n; i += BLOCK) {
      int count = Math.min(BLOCK, n - i);
      int padded = read(x, at + i, count, block.x, 0);
      Elementwise.activate(f, block.x, block.power, padded);
      MemorySegment.copy(block.x, 0, x, JAVA_FLOAT_UNALIGNED, (at + i) * Float.BYTES, count);
    }
  }

  @Override
  public void gate(
      Activation f, MemorySegment gate, long gateAt, MemorySegment up, long upAt, int n) {
    var block = blocks.get();
    for (int i = 0; i < n; i += BLOCK) {
      int count = Math.min(BLOCK, n - i);
      int padded = read(gate, gateAt + i, count, block.x, 0);
      read(up, upAt + i, count, block.factor, 0);
      Elementwise.activate(f, block.x, block.power, padded);
      Elementwise.multiply(block.x, block.factor, padded);
      MemorySegment.copy(block.x, 0, gate, JAVA_FLOAT_UNALIGNED, (gateAt + i) * Float.BYTES, count);
    }
  }

  @Override
  public void cap(MemorySegment x, long at, float cap, int n) {
    var block = blocks.get();
    for (int i = 0; i < n; i += BLOCK) {
      int count = Math.min(BLOCK, n - i);
      int padded = read(x, at + i, count, block.x, 0);
      Elementwise.cap(cap, block.x, block.power, padded);
      MemorySegment.copy(block.x, 0, x, JAVA_FLOAT_UNALIGNED, (at + i) * Float.BYTES, count);
    }
  }

  @Override
  public void softmax(MemorySegment x, long at, int n) {
    float max = max(x, at, n);
    var block = blocks.get();
    double sum = 0;
    for (int i = 0; i < n; i += BLOCK) {
      int count = Math.min(BLOCK, n - i);
      int padded = read(x, at + i, count, block.x, Float.NEGATIVE_INFINITY);
      sum += Elementwise.powersAbove(max, block.x, padded);
      MemorySegment.copy(block.x, 0, x, JAVA_FLOAT_UNALIGNED, (at + i) * Float.BYTES, count);
    }
    scale(x, at, (float) (1 / sum), n);
  }

  private static float max(MemorySegment x, long at, int n) {
    var largest = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    int end = SPECIES.loopBound(n);
    for (int i = 0; i < end; i += LANES) {
      largest =
          largest.max(
              FloatVector.fromMemorySegment(SPECIES, x, (at + i) * Float.BYTES, LITTLE_ENDIAN));
    }
    float max = largest.reduceLanes(MAX);
    for (int i = end; i < n; i++) {
      max = Math.max(max, get(x, at + i));
    }
    return max;
  }

  /** Elements in an array, filled up to whole vectors; the number with what fills up. */
  private static int read(MemorySegment x, long at, int count, float[] target, float filler) {
    MemorySegment.copy(x, JAVA_FLOAT_UNALIGNED, at * Float.BYTES, target, 0, count);
    int padded = (count + LANES - 1) & -LANES;
    for (int i = count; i < padded; i++) {
      target[i] = filler;
    }
    return padded;
  }

  @Override
  public void add(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    int end = SPECIES.loopBound(n);
    for (int i = 0; i < end; i += LANES) {
      FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN)
          .add(FloatVector.fromMemorySegment(SPECIES, y, (yAt + i) * Float.BYTES, LITTLE_ENDIAN))
          .intoMemorySegment(x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN);
    }
    for (int i = end; i < n; i++) {
      put(x, xAt + i, get(x, xAt + i) + get(y, yAt + i));
    }
  }

  @Override
  public void scale(MemorySegment x, long at, float factor, int n) {
    int end = SPECIES.loopBound(n);
    for (int i = 0; i < end; i += LANES) {
      FloatVector.fromMemorySegment(SPECIES, x, (at + i) * Float.BYTES, LITTLE_ENDIAN)
          .mul(factor)
          .intoMemorySegment(x, (at + i) * Float.BYTES, LITTLE_ENDIAN);
    }
    for (int i = end; i < n; i++) {
      put(x, at + i, get(x, at + i) * factor);
    }
  }

  @Override
  public void addScaled(MemorySegment x, long xAt, float factor, MemorySegment y, long yAt, int n) {
    var factors = FloatVector.broadcast(SPECIES, factor);
    int end = SPECIES.loopBound(n);
    for (int i = 0; i < end; i += LANES) {
      FloatVector.fromMemorySegment(SPECIES, y, (yAt + i) * Float.BYTES, LITTLE_ENDIAN)
          .fma(
              factors,
              FloatVector.fromMemorySegment(SPECIES, x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN))
          .intoMemorySegment(x, (xAt + i) * Float.BYTES, LITTLE_ENDIAN);
    }
    for (int i = end; i < n; i++) {
      put(x, xAt + i, Math.fma(factor, get(y, yAt + i), get(x, xAt + i)));
    }
  }

  @Override
  public void rotate(
      MemorySegment head,
      long at,
      MemorySegment cosines,
      MemorySegment sines,
      long turnAt,
      int half) {
    int end = SPECIES.loopBound(half);
    for (int i = 0; i < end; i += LANES) {
      long first = (at + i) * Float.BYTES;
      long second = (at + half + i) * Float.BYTES;
      long turn = (turnAt + i) * Float.BYTES;
      var cosine = FloatVector.fromMemorySegment(SPECIES, cosines, turn, LITTLE_ENDIAN);
      var sine = FloatVector.fromMemorySegment(SPECIES, sines, turn, LITTLE_ENDIAN);
      var a = FloatVector.fromMemorySegment(SPECIES, head, first, LITTLE_ENDIAN);
      var b = FloatVector.fromMemorySegment(SPECIES, head, second, LITTLE_ENDIAN);
      a.mul(cosine).sub(b.mul(sine)).intoMemorySegment(head, first, LITTLE_ENDIAN);
      b.mul(cosine).add(a.mul(sine)).intoMemorySegment(head, second, LITTLE_ENDIAN);
    }
    for (int i = end; i < half; i++) {
      float cosine = get(cosines, turnAt + i);
      float sine = get(sines, turnAt + i);
      float a = get(head, at + i);
      float b = get(head, at + half + i);
      put(head, at + i, a * cosine - b * sine);
      put(head, at + half + i, b * cosine + a * sine);
    }
  }

  @Override
  public float dot(MemorySegment x, long xAt, MemorySegment y, long yAt, int n) {
    var sum0 = FloatVector.zero(SPECIES);
    var sum1 = FloatVector.zero(SPECIES);
    int pairs = n / (2 * LANES) * (2 * LANES);
    for (int i = 0; i < pairs; i += 2 * LANES) {
      long xByte = (xAt + i) * Float.BYTES;
      long yByte = (yAt + i) * Float.BYTES;
      sum0 =
          FloatVector.fromMemorySegment(SPECIES, x, xByte, LITTLE_ENDIAN)
              .fma(FloatVector.fromMemorySegment(SPECIES, y, yByte, LITTLE_ENDIAN), sum0);
      xByte += (long) LANES * Float.BYTES;
      yByte += (long) LANES * Float.BYTES;
      sum1 =
          FloatVector.fromMemorySegment(SPECIES, x, xByte, LITTLE_ENDIAN)
              .fma(FloatVector.fromMemorySegment(SPECIES, y, yByte, LITTLE_ENDIAN), sum1);
    }
    var lanes = Scratch.get().lanes;
    sum0.add(sum1).intoArray(lanes, 0);
    double sum = Lanes.sum(lanes, 0);
    for (int i = pairs; i < n; i++) {
      sum += (double) get(x, xAt + i) * get(y, yAt + i);
    }
    return (float) sum;
  }

  private static float get(MemorySegment x, long i) {
    return x.get(JAVA_FLOAT_UNALIGNED, i * Float.BYTES);
  }

  private static void put(MemorySegment x, long i, float value) {
    x.set(JAVA_FLOAT_UNALIGNED, i * Float.BYTES, value);
  }
}
