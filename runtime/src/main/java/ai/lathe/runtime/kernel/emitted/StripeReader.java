package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;

import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.layout.Layout;

/**
 * Writes the code that takes a {@link Layout}'s unit apart: four columns of 16 rows as unsigned
 * bytes, and the scales and minima of a group as float32.
 */
class StripeReader {

  private static final int LOW_NIBBLES = 0x0F0F0F0F;
  private static final int HIGH_PAIRS = 0x30303030;
  private static final int SIGNS = 0x80808080;

  /** Of {@link Instruction#VPTERNLOGD}: {@code a | b & c}. */
  private static final int OR_AND = 0xF8;

  /** Bytes of a cache line. */
  static final int LINE = 64;

  /**
   * Bytes from the weights in use to those that are asked for. The processor itself looks ahead no
   * further than the end of a page of 4 KB; measured, this is worth a quarter at 4 bits.
   */
  private static final int AHEAD = 4608;

  final Assembler a;
  final Layout layout;
  final Register weights;
  private final Register sides;
  private final int sidesAt;
  private int registers;

  final Zmm low;
  private final Zmm high;
  private final Zmm mask;
  private final Zmm scratch;

  // What only some layouts need is null with the others.
  private final Zmm scale;
  private final Zmm pairs;
  private final Zmm pairMask;
  private final Zmm minimum;
  private final Zmm superScale;
  private final Zmm superMinimum;

  /**
   * @param weights the register that holds the address of the present unit
   * @param firstFree the vector register from which on all are free
   * @param sides the register from which on sides lie
   * @param sidesAt where that is in the layout's unit
   */
  StripeReader(
      Assembler a, Layout layout, Register weights, int firstFree, Register sides, int sidesAt) {
    this.a = a;
    this.sides = sides;
    this.sidesAt = sidesAt;
    this.layout = layout;
    this.weights = weights;
    registers = firstFree;
    var kind = layout.sides();
    low = register(true);
    high = register(layout.bits() < 8);
    mask = register(true);
    scratch = register(true);
    scale = register(true);
    pairs = register(layout.bits() == 6);
    pairMask = register(layout.bits() == 6);
    minimum = register(kind.minima());
    superScale = register(kind.twoLevels());
    superMinimum = register(kind.twoLevels() && kind.minima());
  }

  /**
   * @param masked whether zeros are left out
   */
  static StripeReader of(
      Assembler a, Layout layout, boolean masked, Register weights, int firstFree) {
    return masked
        ? new MaskReader(a, layout, weights, firstFree)
        : new StripeReader(a, layout, weights, firstFree, weights, 0);
  }

  private Zmm register(boolean needed) {
    return needed ? zmm(registers++) : null;
  }

  /** A register that {@link #codes} and {@link #scales} change, free in between. */
  Zmm scratch() {
    return scratch;
  }

  /** Where {@link #scales} leaves the scales; free before. */
  Zmm scale() {
    return scale;
  }

  /** Where {@link #scales} leaves the minima. */
  Zmm minimum() {
    return minimum;
  }

  /** What turns the signs of bytes over; of 8 bits. */
  Zmm signs() {
    return mask;
  }

  /**
   * At the begin of the function.
   *
   * @return bytes by which the stack has grown
   */
  int enter() {
    return 0;
  }

  /** At the end of the function. */
  void leave() {}

  /** Once, before anything else; by way of RAX. */
  void constants() {
    constant(mask, layout.bits() == 8 ? SIGNS : LOW_NIBBLES);
    if (pairMask != null) {
      constant(pairMask, HIGH_PAIRS);
    }
  }

  /** Asks for this vector's share of a later unit's cache lines, so that they are there in time. */
  void prefetch(int step) {
    int steps = layout.unit() / Layout.COLUMNS * Tile.QUADS;
    int lines = layout.unitBytes() / LINE;
    for (int line = lines * step / steps; line < lines * (step + 1) / steps; line++) {
      a.prefetch(weights.at(AHEAD + LINE * line));
    }
  }

  /** At the begin of each stripe, of so many units. */
  void stripe(Register units) {}

  /** In place of {@link #stripe}: where the rest of a stripe has its sides and its codes. */
  void places(Register sidesFrom, Register codesFrom) {}

  /** At the end of each stripe. */
  void nextStripe() {}

  /** Where what follows lies: the next unit, or its codes alone. */
  Register end() {
    return weights;
  }

  /** At the end of each unit. */
  void next() {
    a.add(weights, layout.unitBytes());
  }

  private void constant(Zmm to, int value) {
    a.move(Register.RAX, value);
    a.broadcast(to, Register.RAX);
  }

  /** At the begin of each unit. */
  void unit() {
    if (superScale != null) {
      a.emit(VCVTPH2PS, superScale, weights.at(layout.superScalesAt()));
    }
    if (superMinimum != null) {
      a.emit(VCVTPH2PS, superMinimum, weights.at(layout.superMinimaAt()));
    }
  }

  /**
   * Four columns as bytes with the bias of {@link Tile} added; in order, because two that share a
   * vector share work.
   *
   * @param part which 64 columns of the unit
   * @param quad which four of these
   */
  Zmm codes(int part, int quad) {
    int at = part * layout.codeBytes();
    if (layout.bits() == 8) {
      a.emit(VPXORD, low, mask, weights.at(at + 64 * quad));
      return low;
    }
    var nibbles = weights.at(at + 64 * (quad / 2));
    var codes = quad % 2 == 0 ? low : high;
    if (codes == low) {
      a.emit(VPANDD, low, mask, nibbles);
    } else {
      a.emit(VPSRLD, high, nibbles, 4);
      a.emit(VPANDD, high, high, mask);
    }
    if (layout.bits() == 6) {
      addHighPairs(codes, at + 512 + 64 * (quad / 4), quad % 4);
    }
    return codes;
  }

  /** Bits {@code 2p} and {@code 2p + 1} of each byte become bits 4 and 5. */
  private void addHighPairs(Zmm codes, int at, int p) {
    var shifted = scratch;
    switch (p) {
      case 0 -> {
        a.emit(VMOVUPS, pairs, weights.at(at));
        a.emit(VPSLLD, shifted, pairs, 4);
      }
      case 1 -> a.emit(VPSLLD, shifted, pairs, 2);
      case 2 -> shifted = pairs;
      default -> a.emit(VPSRLD, shifted, pairs, 2);
    }
    a.emit(VPTERNLOGD, codes, shifted, pairMask, OR_AND);
  }

  /**
   * The scales of a group, and its minima.
   *
   * @param group of the 64 columns
   */
  void scales(int part, int group) {
    int row = Layout.ROWS * (part * (Layout.COLUMNS / layout.group()) + group);
    if (layout.sides().twoLevels()) {
      product(scale, layout.scalesAt() + row, superScale);
      if (minimum != null) {
        product(minimum, layout.minimaAt() + row, superMinimum);
      }
      return;
    }
    // Lanes hold the scales of two groups.
    var lanes = sides.at(layout.scalesAt() - sidesAt + 64 * (group / 2));
    if (group % 2 == 0) {
      a.emit(VMOVUPS, scale, lanes);
    } else {
      a.emit(VPSRLD, scale, lanes, 16);
    }
    a.emit(VPMOVDW, scale, scale);
    a.emit(VCVTPH2PS, scale, scale);
    if (minimum != null) {
      a.emit(VMOVUPS, minimum, sides.at(layout.minimaAt() - sidesAt + 4 * row));
    }
  }

  private void product(Zmm to, int bytesAt, Zmm factor) {
    a.emit(VPMOVSXBD, to, weights.at(bytesAt));
    a.emit(VCVTDQ2PS, to, to);
    a.emit(VMULPS, to, to, factor);
  }
}
