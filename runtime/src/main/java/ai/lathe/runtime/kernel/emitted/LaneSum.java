package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.VADDPS;
import static ai.lathe.runtime.kernel.emitted.Instruction.VPSHUFD;
import static ai.lathe.runtime.kernel.emitted.Instruction.VSHUFI32X4;

import ai.lathe.runtime.kernel.emitted.Operand.Zmm;

/** Writes the sum of a vector's lanes: neighbours first, then pairs, then fours, then eights. */
final class LaneSum {

  /** Orders of four things: the neighbours change places, or the halves. */
  private static final int NEIGHBOURS = 0xB1;

  private static final int HALVES = 0x4E;

  private LaneSum() {}

  /** Leaves it in the first lane of {@code sum}. */
  static void write(Assembler a, Zmm sum, Zmm scratch) {
    for (int order : new int[] {NEIGHBOURS, HALVES}) {
      a.emit(VPSHUFD, scratch, sum, order);
      a.emit(VADDPS, sum, sum, scratch);
    }
    for (int order : new int[] {NEIGHBOURS, HALVES}) {
      a.emit(VSHUFI32X4, scratch, sum, sum, order);
      a.emit(VADDPS, sum, sum, scratch);
    }
  }
}
