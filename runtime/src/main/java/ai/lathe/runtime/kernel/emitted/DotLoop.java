package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.VPDPBUSD;
import static ai.lathe.runtime.kernel.emitted.Instruction.VPXORD;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * A loop of nothing but the instruction that integer kernels live on: what they can reach at most.
 */
public final class DotLoop {

  /** Independent sums; enough that none waits for itself. */
  private static final int SUMS = 24;

  /** Of one round: 16 lanes of four products and their sum. */
  public static final long OPERATIONS = SUMS * 16 * 4 * 2;

  private static final MethodHandle CALL = NativeCall.withLongs(1);

  private final MemorySegment function;

  DotLoop() throws Pages.Refused {
    function = Pages.executable(write());
  }

  private static byte[] write() {
    var a = new Assembler();
    for (int i = 0; i < SUMS + 2; i++) {
      a.emit(VPXORD, zmm(i), zmm(i), zmm(i));
    }
    var round = new Label();
    a.bind(round);
    for (int i = 0; i < SUMS; i++) {
      a.emit(VPDPBUSD, zmm(i), zmm(SUMS), zmm(SUMS + 1));
    }
    a.subtract(Register.RDI, 1);
    a.jump(Condition.NOT_ZERO, round);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /**
   * @param rounds at least one
   */
  public void run(long rounds) {
    try {
      CALL.invokeExact(function, rounds);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
