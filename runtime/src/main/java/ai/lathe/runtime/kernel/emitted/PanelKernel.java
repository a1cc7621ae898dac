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
 * Writes the kernel that multiplies a {@link Panel} with tiles of up to {@link Tile#MANY} tokens,
 * one tile after the other. Sums and results of 32 rows and 6 tokens fill 24 registers; each input
 * that is loaded serves two products, which is what the load units can keep up with.
 *
 * <p>The function, in System V's convention: {@code f(panel, tiles, out, stride, count, parts,
 * stage, lanes, factors, header)}. {@code parts} are the panel's 64 columns. Between panels of the
 * same rows results wait in {@code out}: unless bit 0 of {@code stage} is set (the first) they are
 * read from there; if bit 1 is set (the last) they are multiplied with the rows' factors. Only rows
 * whose bit is set in the 32 {@code lanes} are read and written. {@code header} is what {@link
 * Tile} has in front, where it has that.
 */
final class PanelKernel {

  static final int FIRST = 1;
  static final int LAST = 2;

  private static final Register PANEL = RDI;
  private static final Register TILE = RSI;
  private static final Register OUT = RDX;
  private static final Register STRIDE = RCX;
  private static final Register TILES = R8;
  private static final Register PARTS = R9;

  /** The part of the panel that comes next. */
  private static final Register NEXT = RAX;

  private static final Register COUNT = R10;

  /** Where a token's results go; else free. */
  private static final Register AT = R11;

  /** Arguments above the return address. */
  private static final int STAGE_AT = 8;

  private static final int LANES_AT = 16;
  private static final int FACTORS_AT = 24;
  private static final int HEADER_AT = 32;

  private final Assembler a = new Assembler();
  private final Tile tile;
  private final Panel panel;
  private final int tokens;
  private final boolean rowScales;

  private final Zmm input;
  private final Zmm product;
  private final Zmm[] weights;
  private final Zmm[] minima;

  private PanelKernel(Layout layout, int tokens) {
    this.tokens = tokens;
    tile = Tile.of(layout, tokens);
    panel = Panel.of(tile);
    rowScales = tile.rowScales();
    int free = 2 * Panel.STRIPES * tokens;
    input = zmm(free);
    product = zmm(free + 1);
    weights = new Zmm[] {zmm(free + 2), zmm(free + 3)};
    minima = new Zmm[] {zmm(free + 4), zmm(free + 5)};
  }

  static byte[] write(Layout layout, int tokens) {
    return new PanelKernel(layout, tokens).write();
  }

  private Zmm result(int stripe, int token) {
    return zmm(stripe * tokens + token);
  }

  private Zmm sum(int stripe, int token) {
    return zmm((Panel.STRIPES + stripe) * tokens + token);
  }

  /** What waits in {@code out} between panels: results, or sums where scales are the rows'. */
  private Zmm waiting(int stripe, int token) {
    return rowScales ? sum(stripe, token) : result(stripe, token);
  }

  private byte[] write() {
    a.load(AT, RSP.at(LANES_AT));
    a.mask(1, AT);
    a.shiftRight(AT, Layout.ROWS);
    a.mask(2, AT);
    var next = new Label();
    a.bind(next);
    begin();
    a.move(NEXT, PANEL);
    a.move(COUNT, PARTS);
    var part = new Label();
    a.bind(part);
    part();
    a.add(NEXT, panel.bytes());
    a.add(TILE, tile.bytes());
    a.subtract(COUNT, 1);
    a.jump(Condition.NOT_ZERO, part);
    end();
    a.subtract(TILES, 1);
    a.jump(Condition.NOT_ZERO, next);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  private void begin() {
    var first = new Label();
    var begun = new Label();
    jumpIf(FIRST, first);
    a.move(AT, OUT);
    for (int t = 0; t < tokens; t++) {
      for (int s = 0; s < Panel.STRIPES; s++) {
        a.load(waiting(s, t), AT.at(4 * Layout.ROWS * s), 1 + s);
      }
      a.add(AT, STRIDE);
    }
    a.jump(begun);
    a.bind(first);
    if (rowScales) {
      a.load(AT, RSP.at(HEADER_AT));
    }
    for (int t = 0; t < tokens; t++) {
      for (int s = 0; s < Panel.STRIPES; s++) {
        if (rowScales) {
          a.emit(VPBROADCASTD, sum(s, t), AT.at(tile.startsAt(0, t)));
        } else {
          zero(result(s, t));
        }
      }
    }
    a.bind(begun);
  }

  private void jumpIf(int bit, Label to) {
    a.load(AT, RSP.at(STAGE_AT));
    a.test(AT, bit);
    a.jump(Condition.NOT_ZERO, to);
  }

  private void zero(Zmm register) {
    a.emit(VPXORD, register, register, register);
  }

  private void part() {
    int groupQuads = rowScales ? Tile.QUADS : Tile.QUADS / tile.groups();
    for (int quad = 0; quad < Tile.QUADS; quad++) {
      int group = quad / groupQuads;
      if (!rowScales && quad % groupQuads == 0) {
        start(group);
      }
      for (int s = 0; s < Panel.STRIPES; s++) {
        a.emit(VMOVUPS, weights[s], NEXT.at(s * panel.stripeBytes() + panel.codesAt(quad)));
      }
      for (int t = 0; t < tokens; t++) {
        a.emit(VPBROADCASTD, input, TILE.at(tile.codesAt(quad, t)));
        for (int s = 0; s < Panel.STRIPES; s++) {
          a.emit(VPDPBUSD, sum(s, t), weights[s], input);
        }
      }
      if (!rowScales && quad % groupQuads == groupQuads - 1) {
        finish(group);
      }
    }
  }

  private void start(int group) {
    for (int t = 0; t < tokens; t++) {
      for (int s = 0; s < Panel.STRIPES; s++) {
        if (tile.bias() == 0) {
          zero(sum(s, t));
        } else {
          a.emit(VPBROADCASTD, sum(s, t), TILE.at(tile.startsAt(group, t)));
        }
      }
    }
  }

  /** Adds the present group's sums to the results. */
  private void finish(int group) {
    for (int s = 0; s < Panel.STRIPES; s++) {
      int at = s * panel.stripeBytes();
      a.emit(VMOVUPS, weights[s], NEXT.at(at + panel.scalesAt(group)));
      if (tile.minima()) {
        a.emit(VMOVUPS, minima[s], NEXT.at(at + panel.minimaAt(group)));
      }
    }
    int block = group * Tile.QUADS / tile.groups() * 4 / Int8Input.BLOCK;
    for (int t = 0; t < tokens; t++) {
      a.emit(VBROADCASTSS, input, TILE.at(tile.scalesAt(block, t)));
      for (int s = 0; s < Panel.STRIPES; s++) {
        a.emit(VCVTDQ2PS, sum(s, t), sum(s, t));
        a.emit(VMULPS, product, weights[s], input);
        a.emit(VFMADD231PS, result(s, t), sum(s, t), product);
      }
      if (tile.minima()) {
        for (int s = 0; s < Panel.STRIPES; s++) {
          a.emit(VFNMADD231PS, result(s, t), minima[s], TILE.each(tile.sumsAt(group, t)));
        }
      }
    }
  }

  private void end() {
    var store = new Label();
    var last = new Label();
    jumpIf(LAST, last);
    a.jump(store);
    a.bind(last);
    a.load(AT, RSP.at(FACTORS_AT));
    for (int s = 0; s < Panel.STRIPES; s++) {
      a.load(weights[s], AT.at(4 * Layout.ROWS * s), 1 + s);
    }
    if (rowScales) {
      a.load(AT, RSP.at(HEADER_AT));
    }
    for (int t = 0; t < tokens; t++) {
      for (int s = 0; s < Panel.STRIPES; s++) {
        if (rowScales) {
          a.emit(VCVTDQ2PS, sum(s, t), sum(s, t));
          a.emit(VMULPS, product, weights[s], AT.each(tile.scalesAt(0, t)));
          a.emit(VMULPS, sum(s, t), sum(s, t), product);
        } else {
          a.emit(VMULPS, result(s, t), result(s, t), weights[s]);
        }
      }
    }
    a.bind(store);
    for (int t = 0; t < tokens; t++) {
      for (int s = 0; s < Panel.STRIPES; s++) {
        a.store(OUT.at(4 * Layout.ROWS * s), waiting(s, t), 1 + s);
      }
      a.add(OUT, STRIDE);
    }
    if (rowScales) {
      a.load(AT, RSP.at(HEADER_AT));
      a.add(AT, tile.headerBytes());
      a.store(RSP.at(HEADER_AT), AT);
    }
  }
}
