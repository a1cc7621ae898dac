package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.sparse.SparseStripes;

/**
 * Writes the code that takes a unit of {@link SparseStripes} apart: what is there of each vector is
 * spread out, so that all that follows is as for a dense unit.
 */
final class MaskReader extends StripeReader {

  /** Where the codes of the next vector begin, and how many the present one has. */
  private static final Register NEXT = RBP;

  private static final Register COUNT = RBX;

  /** The sides of the present unit. */
  private static final Register SIDES = R12;

  private static final int MASK = 3;

  /** Bytes from the codes in use to those that are asked for. */
  private static final int AHEAD = 2560;

  /**
   * Bytes from the masks in use to those that are asked for, which are the next stripe's at last.
   */
  private static final int MASKS_AHEAD = 1024;

  private final int sideBytes;

  MaskReader(Assembler a, Layout layout, Register weights, int firstFree) {
    super(a, layout, weights, firstFree, SIDES, layout.codeBytes());
    sideBytes = SparseStripes.sideBytes(layout);
  }

  @Override
  int enter() {
    a.push(NEXT);
    a.push(COUNT);
    a.push(SIDES);
    return 3 * Long.BYTES;
  }

  @Override
  void leave() {
    a.pop(SIDES);
    a.pop(COUNT);
    a.pop(NEXT);
  }

  @Override
  void stripe(Register units) {
    a.move(SIDES, units);
    a.shiftLeft(SIDES, Integer.numberOfTrailingZeros(SparseStripes.MASKS));
    a.add(SIDES, weights);
    a.move(NEXT, units);
    if (sideBytes == 0) {
      a.move(NEXT, SIDES);
    } else {
      a.shiftLeft(NEXT, Integer.numberOfTrailingZeros(sideBytes));
      a.add(NEXT, SIDES);
    }
    // What was asked for behind the last stripe's codes are this one's masks: codes begin anew.
    for (int at = 0; at < AHEAD; at += LINE) {
      a.prefetch(NEXT.at(at));
    }
  }

  @Override
  void places(Register sides, Register codes) {
    a.move(SIDES, sides);
    a.move(NEXT, codes);
  }

  @Override
  void unit() {}

  @Override
  Zmm codes(int part, int quad) {
    var mask = weights.at(quad * Long.BYTES);
    a.mask(MASK, mask);
    a.countBits(COUNT, mask);
    a.emit(VMOVUPS, low, NEXT.at(0));
    a.zero(MASK, VPEXPANDB, low, low);
    a.add(NEXT, COUNT);
    a.emit(VPXORD, low, low, signs());
    return low;
  }

  /** Half a vector is there in the middle; what is asked for twice costs little. */
  @Override
  void prefetch(int step) {
    if (step % 2 == 0) {
      a.prefetch(NEXT.at(AHEAD));
    }
    if (step % 8 == 0) {
      a.prefetch(weights.at(MASKS_AHEAD + step * Long.BYTES));
    }
  }

  @Override
  void next() {
    a.add(weights, SparseStripes.MASKS);
    if (sideBytes > 0) {
      a.add(SIDES, sideBytes);
    }
  }

  @Override
  void nextStripe() {
    int bits = Integer.numberOfTrailingZeros(SparseStripes.ALIGNMENT);
    a.move(weights, NEXT);
    a.add(weights, SparseStripes.ALIGNMENT - 1);
    a.shiftRight(weights, bits);
    a.shiftLeft(weights, bits);
  }

  @Override
  Register end() {
    return NEXT;
  }
}
