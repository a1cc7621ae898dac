package ai.lathe.runtime.measure;

import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.emitted.EmittedProvider;
import java.lang.foreign.MemorySegment;

/** Loops that do nothing but load one part of a machine: its memory or its multipliers. */
public interface MachineLoops {

  /** What {@link #multiply} does, for people, for example {@code float32, 512 bits}. */
  String arithmetic();

  /**
   * Reads bytes {@code [from, to)}, multiples of {@link #BLOCK}.
   *
   * @return something that depends on all of them
   */
  long read(MemorySegment memory, long from, long to);

  /** Multiplies and adds in registers for so many rounds. */
  long multiply(int rounds);

  /** Multiplications and additions of one round of {@link #multiply}. */
  long operationsPerRound();

  /** Bytes that {@link #read} takes at once. */
  int BLOCK = 1 << 20;

  /** Those whose arithmetic is that of a provider's kernels for integer weights. */
  static MachineLoops of(KernelProvider provider) {
    return provider instanceof EmittedProvider emitted
        ? new DotLoops(emitted.dotLoop(), best())
        : best();
  }

  /** The vector unit's, where its module can be read; its class is only then touched. */
  static MachineLoops best() {
    var module = ModuleLayer.boot().findModule("jdk.incubator.vector");
    return module.isPresent() && MachineLoops.class.getModule().canRead(module.get())
        ? new VectorLoops()
        : new ScalarLoops();
  }
}
