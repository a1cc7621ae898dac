package ai.lathe.runtime.measure;

import ai.lathe.runtime.kernel.emitted.DotLoop;
import java.lang.foreign.MemorySegment;

/** Integer products of machine code; memory is read by another. */
record DotLoops(DotLoop loop, MachineLoops beside) implements MachineLoops {

  @Override
  public String arithmetic() {
    return "int8 dot products, 512 bits";
  }

  @Override
  public long read(MemorySegment memory, long from, long to) {
    return beside.read(memory, from, to);
  }

  @Override
  public long multiply(int rounds) {
    loop.run(rounds);
    return rounds;
  }

  @Override
  public long operationsPerRound() {
    return DotLoop.OPERATIONS;
  }
}
