package ai.lathe.runtime.measure;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Sums of vectors; float32 fused multiply-adds. */
final class VectorLoops implements MachineLoops {

  private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
  private static final ByteOrder ORDER = ByteOrder.nativeOrder();

  /** Enough that no multiplication waits for the one before: latency 4, two units. */
  private static final int ACCUMULATORS = 12;

  @Override
  public String arithmetic() {
    return "float32 multiply-adds, " + FLOATS.vectorBitSize() + " bits";
  }

  @Override
  public long read(MemorySegment memory, long from, long to) {
    int width = LONGS.vectorByteSize();
    var a = LongVector.zero(LONGS);
    var b = a;
    var c = a;
    var d = a;
    for (long block = from; block < to; block += BLOCK) {
      for (int i = 0; i < BLOCK; i += 4 * width) {
        long at = block + i;
        a = a.add(LongVector.fromMemorySegment(LONGS, memory, at, ORDER));
        b = b.add(LongVector.fromMemorySegment(LONGS, memory, at + width, ORDER));
        c = c.add(LongVector.fromMemorySegment(LONGS, memory, at + 2L * width, ORDER));
        d = d.add(LongVector.fromMemorySegment(LONGS, memory, at + 3L * width, ORDER));
      }
    }
    return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
  }

  @Override
  public long operationsPerRound() {
    return 2L * ACCUMULATORS * FLOATS.length();
  }

  @Override
  public long multiply(int rounds) {
    var x = FloatVector.broadcast(FLOATS, 0.999f);
    var y = FloatVector.broadcast(FLOATS, 0.001f);
    var a = FloatVector.broadcast(FLOATS, 1);
    var b = a.add(1);
    var c = a.add(2);
    var d = a.add(3);
    var e = a.add(4);
    var f = a.add(5);
    var g = a.add(6);
    var h = a.add(7);
    var i = a.add(8);
    var j = a.add(9);
    var k = a.add(10);
    var l = a.add(11);
    for (int round = 0; round < rounds; round++) {
      a = a.fma(x, y);
      b = b.fma(x, y);
      c = c.fma(x, y);
      d = d.fma(x, y);
      e = e.fma(x, y);
      f = f.fma(x, y);
      g = g.fma(x, y);
      h = h.fma(x, y);
      i = i.fma(x, y);
      j = j.fma(x, y);
      k = k.fma(x, y);
      l = l.fma(x, y);
    }
    var sum = a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(i).add(j).add(k).add(l);
    return (long) sum.reduceLanes(VectorOperators.ADD);
  }
}
