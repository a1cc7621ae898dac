package ai.lathe.runtime.kernel.layout;

import ai.lathe.tensor.LatheException;

/**
 * The order in which kernels read a matrix of integer codes. Rows are in stripes of {@link #ROWS},
 * the last one filled up with rows of zeros. A stripe is contiguous: units of {@link #unit} columns
 * one after the other, the last one filled up with columns whose inputs are zeros. All numbers are
 * little-endian; every part of a unit begins at a multiple of 32 bytes, every unit at one of 64.
 *
 * <p><b>A unit</b> is the codes of 64 columns (four times that with two levels of scales), then
 * what {@link Sides} says. Vectors are of 64 bytes, 16 lanes of 32 bits; lane {@code r} is row
 * {@code r} of the stripe.
 *
 * <p><b>Codes of 64 columns</b>
 *
 * <ul>
 *   <li>4 bits, 8 vectors: nibble {@code 2i} of vector {@code m} is column {@code 8m + i}, nibble
 *       {@code 2i + 1} is column {@code 8m + 4 + i}, {@code i < 4}. So byte {@code i} of a lane has
 *       column {@code 8m + i} in its low half and {@code 8m + 4 + i} in its high half. Stored is
 *       the code plus 8, or the unsigned code itself where groups have minima.
 *   <li>6 bits, 8 + 4 vectors: the low four bits as above; then in byte {@code i} of vector {@code
 *       n}, bits {@code 2p} and {@code 2p + 1} are the high two bits of column {@code 16n + 4p +
 *       i}, {@code p < 4}. Stored is the code plus 32.
 *   <li>8 bits, 16 vectors: byte {@code i} of vector {@code m} is column {@code 4m + i}, signed.
 * </ul>
 *
 * <p><b>Sides</b> of a unit, at {@link #scalesAt} and so on
 *
 * <ul>
 *   <li>{@code F16}: for each 2 groups 16 lanes, the float16 scale of the first in the low half, of
 *       the second in the high half: 64 bytes for groups of 32, 128 for groups of 16. {@code
 *       F16_MIN}: then float32 minima {@code [64 / group][16 rows]}.
 *   <li>{@code SUPER}: signed bytes {@code [256 / group][16 rows]}; {@code SUPER_MIN}: likewise for
 *       the minima, from 0 to 127; then float16 {@code d [16]}; then float16 {@code dmin [16]},
 *       which are zeros without minima.
 *   <li>{@code ROW}: nothing.
 * </ul>
 *
 * <p><b>Arithmetic</b>, the same to the last bit in all kernels. Inputs are {@link Int8Input}. For
 * each group in order of columns, with {@code I} the exact sum of code times input code, {@code a}
 * the scale of the input's block and {@code S} the sum of the group's input codes, all in float32:
 * {@code y = fma(I, s * a, y)}, then with minima {@code y = fma(-m, a * S, y)}, where {@code s = d
 * * sc} and {@code m = dmin * mn} with two levels. In the end {@code y * factor} of the row. {@code
 * ROW}: {@code (float) I * (a * factor)} with {@code I} over all columns.
 *
 * @param bits of a code: 4, 6 or 8
 * @param group columns that share a scale: 16 or 32; 32 for {@code ROW}
 */
public record Layout(int bits, int group, Sides sides) {

  /** Of a stripe. */
  public static final int ROWS = 16;

  /** Columns that inputs are filled up to a multiple of. */
  public static final int COLUMNS = 64;

  private static final int SUPER = 256;

  public Layout {
    if (bits != 4 && bits != 6 && bits != 8) {
      throw new LatheException("packed codes have 4, 6 or 8 bits, not " + bits);
    }
    if (group != 32 && (group != 16 || sides == Sides.ROW)) {
      throw new LatheException("packed groups have 16 or 32 columns, not " + group);
    }
    if (sides == Sides.ROW && bits != 8) {
      throw new LatheException("packed codes without scales have 8 bits, not " + bits);
    }
    if (bits == 6 && sides.minima()) {
      throw new LatheException("packed codes of 6 bits have no minima");
    }
  }

  /** What is subtracted from a stored code of 4 or 6 bits; 0 for 8 bits, which are signed. */
  public int offset() {
    return bits == 8 || sides.minima() ? 0 : 1 << bits - 1;
  }

  /** Columns of a unit: 64, or 256 with two levels of scales. */
  public int unit() {
    return sides.twoLevels() ? SUPER : COLUMNS;
  }

  /** Bytes of the codes of 64 columns of a stripe. */
  public int codeBytes() {
    return COLUMNS * ROWS * bits / 8;
  }

  /** Groups of a unit. */
  public int groups() {
    return unit() / group;
  }

  /** Where in a unit the groups' scales begin, float16 or bytes: behind all codes. */
  public int scalesAt() {
    return unit() / COLUMNS * codeBytes();
  }

  /** Where in a unit the groups' minima begin, float32 or bytes. */
  public int minimaAt() {
    return scalesAt() + (sides.twoLevels() ? 1 : sides == Sides.ROW ? 0 : 2) * groups() * ROWS;
  }

  /** Where in a unit {@code d} begins; with two levels alone. */
  public int superScalesAt() {
    return minimaAt() + (sides.minima() ? groups() * ROWS : 0);
  }

  /** Where in a unit {@code dmin} begins; with two levels alone. */
  public int superMinimaAt() {
    return superScalesAt() + 2 * ROWS;
  }

  /** Bytes of a unit. */
  public int unitBytes() {
    return switch (sides) {
      case F16, ROW -> minimaAt();
      case F16_MIN -> minimaAt() + 4 * groups() * ROWS;
      case SUPER, SUPER_MIN -> superMinimaAt() + 2 * ROWS;
    };
  }

  /** Units of a row. */
  public int units(int columns) {
    return Math.ceilDiv(columns, unit());
  }

  /** Bytes of a stripe. */
  public long stripeBytes(int columns) {
    return (long) units(columns) * unitBytes();
  }

  /** Stripes of a matrix. */
  public static int stripes(int rows) {
    return Math.ceilDiv(rows, ROWS);
  }

  /** Bytes of all stripes. */
  public long bytes(int rows, int columns) {
    return Math.multiplyExact(stripes(rows), stripeBytes(columns));
  }

  /** For people, for example {@code 4 bits g32}, {@code 6 bits g16 two levels}. */
  public String label() {
    return bits
        + " bits"
        + switch (sides) {
          case ROW -> "";
          case F16, SUPER -> " g" + group;
          case F16_MIN, SUPER_MIN -> " g" + group + " min";
        }
        + (sides.twoLevels() ? " two levels" : "");
  }
}
