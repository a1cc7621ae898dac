package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Instruction.*;
import static ai.lathe.runtime.kernel.emitted.Operand.zmm;
import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.emitted.Assembler.Order;
import ai.lathe.runtime.kernel.emitted.Operand.Zmm;
import ai.lathe.runtime.kernel.layout.InputRule;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Writes the function that rounds a token's float32 inputs in blocks of 32 ({@link
 * InputRule.Scales#BLOCKS}) and puts them where a {@link Tile} has them, 64 columns at a time:
 * {@code f(values, tile, parts, places, bytes)}. {@code tile} is the tile's first byte plus four
 * for each token before, {@code bytes} those from one 64 columns of the tile to the next, {@code
 * places} what {@link #places} has made for the tile's number of tokens.
 */
final class InputKernel {

  private static final Register VALUES = RDI;
  private static final Register TILE = RSI;
  private static final Register PARTS = RDX;
  private static final Register PLACES = RCX;
  private static final Register BYTES = R8;

  /** Masks of lanes, because each store to places of its own uses one up. */
  private static final Register ALL = R9;

  private static final Register GROUPS = R10;
  private static final Register BLOCKS = R11;

  private static final int ALL_LANES = 0xFFFF;

  /** Lanes of the first four: of each group of 16, or each block of 32, of 64 columns. */
  private static final int FOUR_LANES = 0b1111;

  private static final int TWO_LANES = 0b0101;

  /** The third and fourth of each four lanes. */
  private static final int UPPER_LANES = 0xCCCC;

  private static final int ODD_LANES = 0xAAAA;

  // Mask registers.
  private static final int USED_UP = 1;
  private static final int NUMBERS = 2;
  private static final int NO_NUMBERS = 3;
  private static final int UPPER = 4;
  private static final int ODD = 5;

  /** All lanes where a block has nothing but numbers, and they are not too small; else none. */
  private static final int[] NUMBERS_OF = {6, 7};

  private static final int SIGN = 0x80000000;

  /** Orders of four things: the halves change places, or the neighbours. */
  private static final int HALVES = 0x4E;

  private static final int NEIGHBOURS = 0xB1;

  /** The first and the third of four things, everywhere; the second twice and the fourth twice. */
  private static final int[] EVEN_THING = {0x00, 0xAA};

  private static final int ODD_THINGS = 0xF5;

  private static final Zmm MAGNITUDE = zmm(31);
  private static final Zmm LEAST = zmm(30);
  private static final Zmm INFINITY = zmm(29);
  private static final Zmm LARGEST = zmm(28);
  private static final Zmm NAN = zmm(27);
  private static final Zmm ONES = zmm(26);
  private static final Zmm ZERO = zmm(25);
  private static final Zmm CODE_PLACES = zmm(24);
  private static final Zmm START_PLACES = zmm(23);
  private static final Zmm SCALE_PLACES = zmm(22);
  private static final Zmm SUM_PLACES = zmm(21);
  private static final Zmm SUM = zmm(20);
  private static final Zmm OTHER = zmm(19);
  private static final Zmm[] MAXIMA = {zmm(18), zmm(17)};
  private static final Zmm SCALES = zmm(16);
  private static final Zmm DIVIDEND = zmm(15);
  private static final Zmm DIVISOR = zmm(14);
  private static final Zmm QUOTIENTS = zmm(13);
  private static final Zmm FACTOR = zmm(12);

  private final Assembler a = new Assembler();
  private final Tile tile;

  private InputKernel(Tile tile) {
    this.tile = tile;
  }

  /**
   * @param tile of any number of tokens, with scales of blocks
   */
  static byte[] write(Tile tile) {
    return new InputKernel(tile).write();
  }

  /** Where in a tile's 64 columns a first token's numbers go, by the lane that has them. */
  static MemorySegment places(Tile tile, Arena arena) {
    var places = arena.allocate(4 * 64, 64);
    for (int lane = 0; lane < 16; lane++) {
      // Packing leaves in lane 4 i + j the four columns that were lanes 4 i on of vector j.
      set(places, 0, lane, tile.codesAt(lane % 4 * 4 + lane / 4, 0));
    }
    int lanesOfGroup = 4 / tile.groups();
    for (int group = 0; group < tile.groups(); group++) {
      set(places, 1, group * lanesOfGroup, tile.startsAt(group, 0));
      set(places, 3, group * lanesOfGroup, tile.sumsAt(group, 0));
    }
    set(places, 2, 0, tile.scalesAt(0, 0));
    set(places, 2, 2, tile.scalesAt(1, 0));
    return places;
  }

  private static void set(MemorySegment places, int vector, int lane, int at) {
    places.set(ValueLayout.JAVA_INT, 64L * vector + 4L * lane, at);
  }

  private byte[] write() {
    constant(MAGNITUDE, ~SIGN);
    constant(LEAST, Float.floatToRawIntBits(InputRule.LEAST));
    constant(INFINITY, Float.floatToRawIntBits(Float.POSITIVE_INFINITY));
    constant(LARGEST, Float.floatToRawIntBits(InputRule.LARGEST));
    constant(NAN, Float.floatToRawIntBits(Float.NaN));
    constant(ONES, 0x01010101);
    a.emit(VPXORD, ZERO, ZERO, ZERO);
    a.move(RAX, UPPER_LANES);
    a.mask(UPPER, RAX);
    a.move(RAX, ODD_LANES);
    a.mask(ODD, RAX);
    a.move(ALL, ALL_LANES);
    a.move(GROUPS, tile.groups() == 4 ? FOUR_LANES : TWO_LANES);
    a.move(BLOCKS, TWO_LANES);
    a.emit(VMOVUPS, CODE_PLACES, PLACES.at(0));
    a.emit(VMOVUPS, START_PLACES, PLACES.at(64));
    a.emit(VMOVUPS, SCALE_PLACES, PLACES.at(128));
    a.emit(VMOVUPS, SUM_PLACES, PLACES.at(192));
    var part = new Label();
    a.bind(part);
    part();
    a.add(VALUES, 4 * 64);
    a.add(TILE, BYTES);
    a.subtract(PARTS, 1);
    a.jump(Condition.NOT_ZERO, part);
    a.vzeroupper();
    a.ret();
    return a.code();
  }

  private void constant(Zmm to, int value) {
    a.move(RAX, value);
    a.broadcast(to, RAX);
  }

  private void part() {
    for (int block = 0; block < MAXIMA.length; block++) {
      maximum(block);
    }
    divide();
    for (int block = 0; block < MAXIMA.length; block++) {
      round(block);
    }
    var codes = zmm(0);
    a.emit(VPACKSSDW, zmm(0), zmm(0), zmm(1));
    a.emit(VPACKSSDW, zmm(2), zmm(2), zmm(3));
    a.emit(VPACKSSWB, codes, zmm(0), zmm(2));
    scatter(CODE_PLACES, codes, ALL);

    // The lanes of a vector are now every fourth one.
    a.emit(VPXORD, SUM, SUM, SUM);
    a.emit(VPDPBUSD, SUM, ONES, codes);
    for (int order : new int[] {HALVES, NEIGHBOURS}) {
      a.emit(VSHUFI32X4, OTHER, SUM, SUM, order);
      a.emit(VPADDD, SUM, SUM, OTHER);
    }
    if (tile.groups() < 4) {
      a.emit(VPSHUFD, OTHER, SUM, NEIGHBOURS);
      a.emit(VPADDD, SUM, SUM, OTHER);
    }
    if (tile.bias() != 0) {
      a.emit(VPSLLD, OTHER, SUM, Integer.numberOfTrailingZeros(tile.bias()));
      a.emit(VPSUBD, OTHER, ZERO, OTHER);
      scatter(START_PLACES, OTHER, GROUPS);
    }
    scatter(SCALE_PLACES, SCALES, BLOCKS);
    if (tile.minima()) {
      a.emit(VCVTDQ2PS, SUM, SUM);
      a.emit(VMULPS, SUM, SUM, SCALES);
      scatter(SUM_PLACES, SUM, GROUPS);
    }
  }

  private void scatter(Zmm places, Zmm from, Register lanes) {
    a.mask(USED_UP, lanes);
    a.scatter(TILE, places, from, USED_UP);
  }

  /** Loads a block's two vectors; their largest magnitude, in every lane. */
  private void maximum(int block) {
    var low = zmm(2 * block);
    var high = zmm(2 * block + 1);
    var maximum = MAXIMA[block];
    a.emit(VMOVUPS, low, VALUES.at(128 * block));
    a.emit(VMOVUPS, high, VALUES.at(128 * block + 64));
    // Magnitudes compare as their bits do, and what is no number is the largest.
    a.emit(VPANDD, maximum, MAGNITUDE, low);
    a.emit(VPANDD, OTHER, MAGNITUDE, high);
    a.emit(VPMAXUD, maximum, maximum, OTHER);
    for (int order : new int[] {HALVES, NEIGHBOURS}) {
      a.emit(VSHUFI32X4, OTHER, maximum, maximum, order);
      a.emit(VPMAXUD, maximum, maximum, OTHER);
    }
    for (int order : new int[] {HALVES, NEIGHBOURS}) {
      a.emit(VPSHUFD, OTHER, maximum, order);
      a.emit(VPMAXUD, maximum, maximum, OTHER);
    }
    a.compare(NUMBERS_OF[block], maximum, LEAST, Order.AT_LEAST);
    a.compare(NUMBERS_OF[block], maximum, INFINITY, Order.LESS, NUMBERS_OF[block]);
  }

  /**
   * Factors and scales of both blocks by one division, which takes as long as twenty other
   * instructions: of each four lanes the first and third are what values are multiplied by, the
   * second and fourth the scales.
   */
  private void divide() {
    a.emit(VMOVUPS, DIVISOR, MAXIMA[0]);
    a.merge(UPPER, VMOVUPS, DIVISOR, MAXIMA[1]);
    a.compare(NUMBERS, DIVISOR, LEAST, Order.AT_LEAST);
    a.compare(NUMBERS, DIVISOR, INFINITY, Order.LESS, NUMBERS);
    a.compare(NO_NUMBERS, DIVISOR, INFINITY, Order.AT_LEAST);
    a.emit(VMOVUPS, DIVIDEND, LARGEST);
    a.merge(ODD, VMOVUPS, DIVIDEND, DIVISOR);
    a.merge(ODD, VMOVUPS, DIVISOR, LARGEST);
    a.zero(NUMBERS, VDIVPS, QUOTIENTS, DIVIDEND, DIVISOR);
    a.emit(VPSHUFD, SCALES, QUOTIENTS, ODD_THINGS);
    a.merge(NO_NUMBERS, VMOVUPS, SCALES, NAN);
  }

  /** A block's two vectors become codes. */
  private void round(int block) {
    a.emit(VPSHUFD, FACTOR, QUOTIENTS, EVEN_THING[block]);
    for (int vector = 2 * block; vector < 2 * block + 2; vector++) {
      var values = zmm(vector);
      a.emit(VMULPS, values, values, FACTOR);
      a.zero(NUMBERS_OF[block], VCVTPS2DQ, values, values);
    }
  }
}
