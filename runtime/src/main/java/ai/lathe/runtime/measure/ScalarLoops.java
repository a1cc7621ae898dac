package ai.lathe.runtime.measure;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The same without the vector unit. */
final class ScalarLoops implements MachineLoops {

  private static final int ACCUMULATORS = 8;

  @Override
  public String arithmetic() {
    return "float32 multiply-adds, one by one";
  }

  @Override
  public long read(MemorySegment memory, long from, long to) {
    var longs = ValueLayout.JAVA_LONG_UNALIGNED;
    long a = 0;
    long b = 0;
    long c = 0;
    long d = 0;
    for (long block = from; block < to; block += BLOCK) {
      for (int i = 0; i < BLOCK; i += 4 * Long.BYTES) {
        long at = block + i;
        a += memory.get(longs, at);
        b += memory.get(longs, at + 8);
        c += memory.get(longs, at + 16);
        d += memory.get(longs, at + 24);
      }
    }
    return a + b + c + d;
  }

  @Override
  public long operationsPerRound() {
    return 2L * ACCUMULATORS;
  }

  @Override
  public long multiply(int rounds) {
    float x = 0.999f;
    float y = 0.001f;
    float a = 1;
    float b = 2;
    float c = 3;
    float d = 4;
    float e = 5;
    float f = 6;
    float g = 7;
    float h = 8;
    for (int round = 0; round < rounds; round++) {
      a = a * x + y;
      b = b * x + y;
      c = c * x + y;
      d = d * x + y;
      e = e * x + y;
      f = f * x + y;
      g = g * x + y;
      h = h * x + y;
    }
    return (long) (a + b + c + d + e + f + g + h);
  }
}
