package ai.lathe.runtime.kernel.vector;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.tensor.ModeMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Blocks along an index behind which another one runs. Lanes are that inner index, whose inputs
 * stand side by side; where it is shorter than a vector, several rows of a block share one, and
 * each input is written out for all of them first.
 *
 * <p>Weights are float32. {@code group} rows of a block stand in a panel, an input after the other:
 * a vector of weights each, or one weight where the same block acts at all places of a long inner
 * index.
 */
final class ModeRows implements PackedMatrix {

  private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
  private static final int LANES = SPECIES.length();

  private final ModeMatrix weight;

  /** Rows of a block that share vectors; 1 where the inner index is as long as one. */
  private final int group;

  /** Panels of a block. */
  private final int panels;

  /** Floats of an input in a panel: all places of the inner index in whole vectors, or one. */
  private final int step;

  private final MemorySegment data;

  /**
   * @param weight with an inner index of at least 2
   */
  ModeRows(ModeMatrix weight, Arena arena) {
    this.weight = weight;
    int inner = weight.inner();
    this.group = inner < LANES ? LANES / inner : 1;
    this.panels = Math.ceilDiv(weight.high(), group);
    boolean one = group == 1 && inner >= LANES && !weight.ofInner();
    this.step = one ? 1 : Math.ceilDiv(inner * group, LANES) * LANES;
    int outer = weight.ofOuter() ? weight.outer() : 1;
    long floats = Math.multiplyExact((long) outer * panels * weight.wide(), (long) step);
    this.data = arena.allocate(floats * Float.BYTES, 64);
    put(weight.blocks().decode().values(), outer);
  }

  private void put(float[] blocks, int outer) {
    int high = weight.high();
    int wide = weight.wide();
    int inner = step == 1 ? 1 : weight.inner();
    for (int p = 0; p < outer; p++) {
      for (int i = 0; i < high; i++) {
        for (int t = 0; t < inner; t++) {
          int from = (weight.block(p, t) * high + i) * wide;
          long to = ((long) p * panels + i / group) * wide * step + i % group * inner + t;
          for (int j = 0; j < wide; j++) {
            data.set(JAVA_FLOAT_UNALIGNED, (to + (long) j * step) * Float.BYTES, blocks[from + j]);
          }
        }
      }
    }
  }

  @Override
  public int rows() {
    return weight.rows();
  }

  @Override
  public int columns() {
    return weight.columns();
  }

  /** Whole panels; where these do not divide a block, whole blocks. */
  @Override
  public int stripe() {
    int block = weight.high() * weight.inner();
    return weight.high() % group == 0 ? group * weight.inner() : block;
  }

  @Override
  public long bytes() {
    return data.byteSize();
  }

  @Override
  public String label() {
    return weight.encoding().label() + " as float32 along its inner index, inputs float32";
  }

  @Override
  public void prepare(Input input) {}

  @Override
  public void multiply(Input input, int from, int to, MemorySegment out, long at, long stride) {
    if (weight.inner() < LANES) {
      multiplyShort(input, from, to, out, at, stride);
    } else {
      multiplyLong(input, from, to, out, at, stride);
    }
  }

  private void multiplyLong(
      Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.values();
    int inner = weight.inner();
    int high = weight.high();
    int wide = weight.wide();
    long ofWeights = (long) step * Float.BYTES;
    long ofInputs = (long) inner * Float.BYTES;
    boolean own = weight.ofOuter();
    for (int row = from; row < to; row += inner) {
      int i = row / inner % high;
      int p = row / inner / high;
      long w = ((own ? (long) p * high : 0) + i) * wide * ofWeights;
      for (int token = 0; token < input.tokens(); token++) {
        long xAt = ((long) token * columns() + (long) p * wide * inner) * Float.BYTES;
        long outAt = (at + token * stride + row) * Float.BYTES;
        for (int t = 0; t < inner; t += LANES) {
          // The last vector is taken so that it ends where the index does.
          int lane = Math.min(t, inner - LANES);
          var sum = FloatVector.zero(SPECIES);
          long q = xAt + (long) lane * Float.BYTES;
          if (step == 1) {
            for (int j = 0; j < wide; j++) {
              var value = FloatVector.fromMemorySegment(SPECIES, x, q, LITTLE_ENDIAN);
              float one = data.get(JAVA_FLOAT_UNALIGNED, w + (long) j * Float.BYTES);
              sum = value.fma(FloatVector.broadcast(SPECIES, one), sum);
              q += ofInputs;
            }
          } else {
            long v = w + (long) lane * Float.BYTES;
            for (int j = 0; j < wide; j++) {
              var value = FloatVector.fromMemorySegment(SPECIES, x, q, LITTLE_ENDIAN);
              sum = value.fma(FloatVector.fromMemorySegment(SPECIES, data, v, LITTLE_ENDIAN), sum);
              q += ofInputs;
              v += ofWeights;
            }
          }
          sum.intoMemorySegment(out, outAt + (long) lane * Float.BYTES, LITTLE_ENDIAN);
        }
      }
    }
  }

  private void multiplyShort(
      Input input, int from, int to, MemorySegment out, long at, long stride) {
    var x = input.values();
    var scratch = Scratch.get();
    var lanes = scratch.lanes;
    int inner = weight.inner();
    int wide = weight.wide();
    int block = weight.high() * inner;
    int together = group * inner;
    var spread = scratch.rows(wide * LANES);
    boolean own = weight.ofOuter();
    for (int token = 0; token < input.tokens(); token++) {
      for (int row = from; row < to; ) {
        int p = row / block;
        int end = Math.min(to, (p + 1) * block);
        long xAt = ((long) token * columns() + (long) p * wide * inner) * Float.BYTES;
        for (int j = 0; j < wide; j++) {
          for (int lane = 0; lane < together; lane++) {
            long q = xAt + ((long) j * inner + lane % inner) * Float.BYTES;
            spread[j * LANES + lane] = x.get(JAVA_FLOAT_UNALIGNED, q);
          }
        }
        while (row < end) {
          long panel = (own ? (long) p * panels : 0) + row % block / together;
          long w = panel * wide * LANES * Float.BYTES;
          var sum = FloatVector.zero(SPECIES);
          for (int j = 0; j < wide; j++) {
            var value = FloatVector.fromArray(SPECIES, spread, j * LANES);
            long v = w + (long) j * LANES * Float.BYTES;
            sum = value.fma(FloatVector.fromMemorySegment(SPECIES, data, v, LITTLE_ENDIAN), sum);
          }
          int count = Math.min(together, end - row);
          long outAt = (at + token * stride + row) * Float.BYTES;
          if (count == LANES) {
            sum.intoMemorySegment(out, outAt, LITTLE_ENDIAN);
          } else {
            sum.intoArray(lanes, 0);
            for (int i = 0; i < count; i++) {
              out.set(JAVA_FLOAT_UNALIGNED, outAt + (long) i * Float.BYTES, lanes[i]);
            }
          }
          row += count;
        }
      }
    }
  }
}
