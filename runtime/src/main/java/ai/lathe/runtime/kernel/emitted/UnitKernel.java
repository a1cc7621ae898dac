package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.sparse.UnitStripes;

/**
 * Writes the kernel of {@link UnitStripes} for one to {@link Tile#FEW} tokens, a function as that
 * of {@link StripeKernel}; the number of units is of no use to it. Weights go in with the bias of
 * {@link Tile}, which the starts of sums take away for all columns together; here it is that of
 * some, so the same inputs are multiplied with the bias alone, and subtracted in the end.
 */
final class UnitKernel {

  private static final Register INDICES = RDI;
  private static final Register TILE = RSI;
  private static final Register FACTORS = RDX;
  private static final Register OUT = RCX;
  private static final Register BLOCKS = R8;
  private static final Register STRIPES = R9;
  private static final Register STRIDE = R10;
  private static final Register TURNS = R11;

  /** The inputs of a block; at the end of a stripe, a token's output. */
  private static final Register INPUTS = RAX;

  private static final int STRIDE_AT = 8;
  private static final int LANES_AT = 16;
  private static final int ALL_LANES = 0xFFFF;
  private static final int LANES = 1;
  private static final int SIGNS = 0x80808080;

  private static final int BLOCK = UnitStripes.BLOCK;

  /** Bytes from the blocks in use to those that are asked for. */
  private static final int AHEAD = 72 * BLOCK;

  /** Lines that the indices of a stripe may have, and are asked for with its first block. */
  private static final int HEAD = 4;

  private final Assembler a = new Assembler();
  private final Tile tile;
  private final int tokens;

  /** Sums that a token's products go to in turn, so that none waits for the one before. */
  private final int sumsOfToken;

  private final Zmm signs = zmm(28);
  private final Zmm weights = zmm(29);
  private final Zmm factors = zmm(30);
  private final Zmm product = zmm(31);

  private UnitKernel(Layout layout, int tokens) {
    this.tokens = tokens;
    tile = Tile.of(layout, tokens);
    sumsOfToken = Math.clamp(Tile.FEW / tokens, 1, UnitStripes.TURN);
  }

  static byte[] write(Layout layout, int tokens) {
    return new UnitKernel(layout, tokens).write();
  }

  private Zmm sum(int token, int which) {
    return zmm(2 * (sumsOfToken * token + which));
  }

  private Zmm bias(int token, int which) {
    return zmm(2 * (sumsOfToken * token + which) + 1);
  }

  private byte[] write() {
    a.load(STRIDE, RSP.at(STRIDE_AT));
    a.move(RAX, ALL_LANES);
    a.mask(LANES, RAX);
    a.move(RAX, SIGNS);
    a.broadcast(signs, RAX);

    var stripe = new Label();
    a.bind(stripe);
    for (int i = 0; i < 2 * sumsOfToken * tokens; i++) {
      a.emit(VPXORD, zmm(i), zmm(i), zmm(i));
    }
    head();
    var done = new Label();
    a.compare(TURNS, 0);
    a.jump(Condition.ZERO, done);
    var turn = new Label();
    a.bind(turn);
    for (int i = 0; i < UnitStripes.TURN; i++) {
      block(i);
    }
    a.add(INDICES, UnitStripes.TURN * Short.BYTES);
    a.add(BLOCKS, UnitStripes.TURN * BLOCK);
    a.subtract(TURNS, 1);
    a.jump(Condition.NOT_ZERO, turn);
    a.bind(done);
    a.move(INDICES, BLOCKS);

    store();
    a.add(FACTORS, 4 * Layout.ROWS);
    a.add(OUT, 4 * Layout.ROWS);
    a.subtract(STRIPES, 1);
    a.jump(Condition.NOT_ZERO, stripe);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  /** How many turns there are, and where blocks begin: {@link UnitStripes#blocksAt}. */
  private void head() {
    int bits = Integer.numberOfTrailingZeros(BLOCK);
    a.loadShort(TURNS, INDICES.at(0));
    a.move(BLOCKS, TURNS);
    a.shiftLeft(BLOCKS, Integer.numberOfTrailingZeros(UnitStripes.TURN * Short.BYTES));
    a.add(BLOCKS, INDICES);
    a.add(BLOCKS, UnitStripes.INDICES + BLOCK - 1);
    a.shiftRight(BLOCKS, bits);
    a.shiftLeft(BLOCKS, bits);
    for (int line = 1; line <= HEAD; line++) {
      a.prefetch(BLOCKS.at(AHEAD - line * BLOCK));
    }
  }

  private void block(int i) {
    a.loadShort(INPUTS, INDICES.at(UnitStripes.INDICES + i * Short.BYTES));
    a.prefetch(BLOCKS.at(AHEAD + i * BLOCK));
    a.multiply(INPUTS, tile.codesAt(1, 0));
    a.add(INPUTS, TILE);
    a.emit(VPXORD, weights, signs, BLOCKS.at(i * BLOCK));
    int which = i % sumsOfToken;
    for (int t = 0; t < tokens; t++) {
      var inputs = INPUTS.each(tile.headerBytes() + tile.codesAt(0, t));
      a.emit(VPDPBUSD, sum(t, which), weights, inputs);
      a.emit(VPDPBUSD, bias(t, which), signs, inputs);
    }
  }

  private void store() {
    var ready = new Label();
    a.compare(STRIPES, 1);
    a.jump(Condition.NOT_ZERO, ready);
    a.load(RAX, RSP.at(LANES_AT));
    a.mask(LANES, RAX);
    a.bind(ready);
    a.emit(VMOVUPS, factors, FACTORS.at(0));
    a.move(RAX, OUT);
    for (int t = 0; t < tokens; t++) {
      var sum = sum(t, 0);
      for (int i = 1; i < sumsOfToken; i++) {
        a.emit(VPADDD, sum, sum, sum(t, i));
      }
      for (int i = 0; i < sumsOfToken; i++) {
        a.emit(VPSUBD, sum, sum, bias(t, i));
      }
      a.emit(VCVTDQ2PS, sum, sum);
      a.emit(VMULPS, product, factors, TILE.each(tile.scalesAt(0, t)));
      a.emit(VMULPS, sum, sum, product);
      a.store(RAX.at(0), sum, LANES);
      a.add(RAX, STRIDE);
    }
  }
}
