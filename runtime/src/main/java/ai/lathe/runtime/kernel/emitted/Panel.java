package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.layout.Layout;

/**
 * Two stripes taken apart, a part of their columns: for each 64 columns and each stripe codes as
 * unsigned bytes {@code [16 quads][16 rows][4]}, float32 scales {@code [groups][16 rows]}, then
 * minima likewise. It stays in the first cache level while the inputs of all tokens pass by.
 *
 * @param groups of 64 columns; 0 where scales are the rows'
 */
record Panel(int groups, boolean minima) {

  /** Stripes side by side; each input that is loaded serves them both. */
  static final int STRIPES = 2;

  /** Rows. */
  static final int ROWS = STRIPES * Layout.ROWS;

  /** Columns, a multiple of every layout's unit. */
  static final int COLUMNS = 512;

  static Panel of(Tile tile) {
    return new Panel(tile.rowScales() ? 0 : tile.groups(), tile.minima());
  }

  int codesAt(int quad) {
    return 64 * quad;
  }

  int scalesAt(int group) {
    return 64 * (Tile.QUADS + group);
  }

  int minimaAt(int group) {
    return 64 * (Tile.QUADS + groups + group);
  }

  /** Bytes of 64 columns of a stripe. */
  int stripeBytes() {
    return 64 * (Tile.QUADS + groups * (minima ? 2 : 1));
  }

  /** Bytes of 64 columns. */
  int bytes() {
    return STRIPES * stripeBytes();
  }

  /** Bytes of all columns. */
  int allBytes() {
    return COLUMNS / Layout.COLUMNS * bytes();
  }
}
