package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.layout.Int8Input;
import ai.lathe.runtime.kernel.layout.Layout;
import ai.lathe.runtime.kernel.layout.Sides;

/**
 * The order in which a kernel reads the inputs of a few tokens: what it needs next stands next.
 * VNNI multiplies unsigned bytes with signed ones, so weights go in with {@link #bias} added, and
 * sums start at minus that bias times the sum of the input's codes, which makes them exact again.
 *
 * <p>For each 64 columns: codes {@code [16][tokens]}, four columns each; where there is a bias, the
 * starts of sums {@code [groups][tokens]} int32; scales {@code [2][tokens]} float32; where the
 * layout has minima, scale times sum {@code [groups][tokens]} float32. Without scales of groups:
 * one start and one scale for each token in front, then nothing but codes.
 */
record Tile(int tokens, int bias, int groups, boolean minima, boolean rowScales) {

  /**
   * Up to so many tokens are one tile and meet weights as they come from memory; their sums and
   * results fill 24 of 32 registers.
   */
  static final int FEW = 12;

  /** Tokens of a tile where there are more than {@link #FEW}. */
  static final int MANY = 6;

  /** Of the smallest such tile, where tokens are shared out evenly among as few as hold them. */
  static final int MANY_LEAST = 4;

  /** Vectors of four columns in 64 columns. */
  static final int QUADS = Layout.COLUMNS / 4;

  static Tile of(Layout layout, int tokens) {
    return new Tile(
        tokens,
        layout.bits() == 8 ? 128 : layout.offset(),
        Layout.COLUMNS / layout.group(),
        layout.sides().minima(),
        layout.sides() == Sides.ROW);
  }

  /** Bytes of one number for each token. */
  private int row() {
    return 4 * tokens;
  }

  /** Bytes in front of the first 64 columns. */
  int headerBytes() {
    return rowScales ? 2 * row() : 0;
  }

  /** Bytes of 64 columns. */
  int bytes() {
    return sumsAt() + (minima ? groups * row() : 0);
  }

  /** Four columns of a token. */
  int codesAt(int quad, int token) {
    return quad * row() + 4 * token;
  }

  /** The start of a group's sum; from the header where scales are the rows'. */
  int startsAt(int group, int token) {
    return (rowScales ? 0 : QUADS * row()) + group * row() + 4 * token;
  }

  /** The input's scale in a block; from the header where scales are the rows'. */
  int scalesAt(int block, int token) {
    int before = rowScales ? row() : QUADS * row() + (bias == 0 ? 0 : groups * row());
    return before + block * row() + 4 * token;
  }

  private int sumsAt() {
    return rowScales ? QUADS * row() : scalesAt(Layout.COLUMNS / Int8Input.BLOCK, 0);
  }

  /** Scale times sum of a group's codes. */
  int sumsAt(int group, int token) {
    return sumsAt() + group * row() + 4 * token;
  }
}
