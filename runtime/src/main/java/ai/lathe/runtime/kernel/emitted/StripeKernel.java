package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;

/**
 * Writes the kernel of one layout for one to {@link Tile#FEW} tokens: stripes of 16 rows, one after
 * the other as they come from memory, times a {@link Tile}. A lane of a vector is a row, so nothing
 * is ever summed across lanes. In registers all the way: for each token an integer sum of the
 * present group and a result.
 *
 * <p>The function, in System V's convention: {@code f(weights, tile, factors, out, units, stripes,
 * stride, lanes)}; {@code out} is float32, tokens {@code stride} bytes apart, and of the last
 * stripe only those rows are written whose bit is set in {@code lanes}.
 */
final class StripeKernel {

  private static final Register WEIGHTS = RDI;
  private static final Register TILE = RSI;
  private static final Register FACTORS = RDX;
  private static final Register OUT = RCX;
  private static final Register UNITS = R8;
  private static final Register STRIPES = R9;
  private static final Register STRIDE = R10;

  /** The part of the tile that comes next; at the end of a stripe, a token's output. */
  private static final Register NEXT = RAX;

  private static final Register COUNT = R11;

  /** The seventh and eighth argument, above the return address. */
  private static final int STRIDE_AT = 8;

  private static final int LANES_AT = 16;
  private static final int ALL_LANES = 0xFFFF;
  private static final int LANES = 1;

  private final Assembler a = new Assembler();
  private final Layout layout;
  private final Tile tile;
  private final int tokens;
  private final StripeReader reader;

  /**
   * Sums that a token's products go to in turn. Where sums are long and tokens are few, one alone
   * would have each product wait for the one before.
   */
  private final int sumsOfToken;

  /** Bytes on the stack above the return address. */
  private int pushed;

  private StripeKernel(Layout layout, boolean masked, int tokens) {
    this.layout = layout;
    this.tokens = tokens;
    tile = Tile.of(layout, tokens);
    sumsOfToken = tile.rowScales() ? Math.clamp(Tile.FEW / tokens, 1, 4) : 1;
    reader = StripeReader.of(a, layout, masked, WEIGHTS, tokens * (1 + sumsOfToken));
  }

  /**
   * @param masked whether zeros are left out
   */
  static byte[] write(Layout layout, boolean masked, int tokens) {
    return new StripeKernel(layout, masked, tokens).write();
  }

  private Zmm result(int token) {
    return zmm(token);
  }

  private Zmm sum(int token, int which) {
    return zmm(tokens * (1 + which) + token);
  }

  private Zmm sum(int token) {
    return sum(token, 0);
  }

  private byte[] write() {
    pushed = reader.enter();
    reader.constants();
    a.load(STRIDE, RSP.at(pushed + STRIDE_AT));
    a.move(RAX, ALL_LANES);
    a.mask(LANES, RAX);

    var stripe = new Label();
    a.bind(stripe);
    for (int t = 0; t < tokens; t++) {
      if (tile.rowScales()) {
        a.emit(VPBROADCASTD, sum(t), TILE.at(tile.startsAt(0, t)));
        for (int i = 1; i < sumsOfToken; i++) {
          zero(sum(t, i));
        }
      } else {
        zero(result(t));
      }
    }
    reader.stripe(UNITS);
    a.move(NEXT, TILE);
    if (tile.headerBytes() > 0) {
      a.add(NEXT, tile.headerBytes());
    }
    a.move(COUNT, UNITS);
    var unit = new Label();
    a.bind(unit);
    unit();
    reader.next();
    a.add(NEXT, layout.unit() / Layout.COLUMNS * tile.bytes());
    a.subtract(COUNT, 1);
    a.jump(Condition.NOT_ZERO, unit);

    store();
    reader.nextStripe();
    a.add(FACTORS, 4 * Layout.ROWS);
    a.add(OUT, 4 * Layout.ROWS);
    a.subtract(STRIPES, 1);
    a.jump(Condition.NOT_ZERO, stripe);
    reader.leave();
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  private void zero(Zmm register) {
    a.emit(VPXORD, register, register, register);
  }

  private void unit() {
    reader.unit();
    int groupQuads = layout.group() / 4;
    for (int part = 0; part < layout.unit() / Layout.COLUMNS; part++) {
      int inputs = part * tile.bytes();
      for (int quad = 0; quad < Tile.QUADS; quad++) {
        int group = quad / groupQuads;
        if (!tile.rowScales() && quad % groupQuads == 0) {
          start(inputs, group);
        }
        reader.prefetch(part * Tile.QUADS + quad);
        var weights = reader.codes(part, quad);
        for (int t = 0; t < tokens; t++) {
          a.emit(
              VPDPBUSD,
              sum(t, quad % sumsOfToken),
              weights,
              NEXT.each(inputs + tile.codesAt(quad, t)));
        }
        if (!tile.rowScales() && quad % groupQuads == groupQuads - 1) {
          finish(part, inputs, group);
        }
      }
    }
  }

  private void start(int inputs, int group) {
    for (int t = 0; t < tokens; t++) {
      if (tile.bias() == 0) {
        zero(sum(t));
      } else {
        a.emit(VPBROADCASTD, sum(t), NEXT.at(inputs + tile.startsAt(group, t)));
      }
    }
  }

  /** Adds the present group's sums to the results. */
  private void finish(int part, int inputs, int group) {
    reader.scales(part, group);
    int block = group * layout.group() / Int8Input.BLOCK;
    var product = reader.scratch();
    for (int t = 0; t < tokens; t++) {
      a.emit(VCVTDQ2PS, sum(t), sum(t));
      a.emit(VMULPS, product, reader.scale(), NEXT.each(inputs + tile.scalesAt(block, t)));
      a.emit(VFMADD231PS, result(t), sum(t), product);
      if (tile.minima()) {
        a.emit(
            VFNMADD231PS, result(t), reader.minimum(), NEXT.each(inputs + tile.sumsAt(group, t)));
      }
    }
  }

  private void store() {
    var ready = new Label();
    a.compare(STRIPES, 1);
    a.jump(Condition.NOT_ZERO, ready);
    a.load(NEXT, RSP.at(pushed + LANES_AT));
    a.mask(LANES, NEXT);
    a.bind(ready);
    var factors = reader.scale();
    var product = reader.scratch();
    a.emit(VMOVUPS, factors, FACTORS.at(0));
    a.move(NEXT, OUT);
    for (int t = 0; t < tokens; t++) {
      if (tile.rowScales()) {
        for (int i = 1; i < sumsOfToken; i++) {
          a.emit(VPADDD, sum(t), sum(t), sum(t, i));
        }
        a.emit(VCVTDQ2PS, sum(t), sum(t));
        a.emit(VMULPS, product, factors, TILE.each(tile.scalesAt(0, t)));
        a.emit(VMULPS, result(t), sum(t), product);
      } else {
        a.emit(VMULPS, result(t), result(t), factors);
      }
      a.store(NEXT.at(0), result(t), LANES);
      a.add(NEXT, STRIDE);
    }
  }
}
