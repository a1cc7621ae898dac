package ai.lathe.tensor;

/**
 * A weight cut into small blocks, each of them a sum of codebook entries: block {@code (i, j)} is
 * {@code scale_i * (C_1[code_1ij] + ... + C_M[code_Mij])}, {@code outGroup} rows by {@code inGroup}
 * columns. VPTQ's blocks are several rows of one column, without scales; AQLM's several columns of
 * one row.
 *
 * @param rows output features; the last block row may reach beyond them
 * @param columns input features, a multiple of {@code inGroup}
 * @param codes for each codebook {@code [ceil(rows / outGroup) * columns / inGroup]}, row-major
 * @param codebooks for each {@code [2^bits, outGroup, inGroup]}, numbers that float16 can hold
 * @param scales {@code [ceil(rows / outGroup)]}, numbers that float16 can hold; null without
 * @see <a href="https://arxiv.org/abs/2409.17066">VPTQ</a>
 * @see <a href="https://arxiv.org/abs/2401.06118">AQLM</a>
 */
public record CodebookQuantized(
    Encoding.Codebooks encoding,
    int rows,
    int columns,
    char[][] codes,
    float[][] codebooks,
    float[] scales)
    implements LinearWeight {

  public CodebookQuantized {
    int blocks = Math.multiplyExact(encoding.blockRows(rows), encoding.blockColumns(columns));
    if (codes.length != encoding.bits().size() || codebooks.length != codes.length) {
      throw new LatheException(
          encoding.label() + " has " + encoding.bits().size() + " codebooks, not " + codes.length);
    }
    for (int m = 0; m < codes.length; m++) {
      int entries = 1 << encoding.bits().get(m);
      if (codebooks[m].length != entries * encoding.blockSize()) {
        throw new LatheException(
            "codebook %d of %s has %d numbers, not %d x %d"
                .formatted(
                    m, encoding.label(), codebooks[m].length, entries, encoding.blockSize()));
      }
      if (codes[m].length != blocks) {
        throw new LatheException(
            "%d x %d of %s have %d codes a codebook, not %d"
                .formatted(rows, columns, encoding.label(), blocks, codes[m].length));
      }
      for (char code : codes[m]) {
        if (code >= entries) {
          throw new LatheException(
              "code %d of codebook %d, which has %d entries".formatted((int) code, m, entries));
        }
      }
      requireHalf(codebooks[m], "codebook " + m);
    }
    if (encoding.scaled() ? scales == null : scales != null) {
      throw new LatheException("scales do not fit " + encoding.label());
    }
    if (scales != null) {
      if (scales.length != encoding.blockRows(rows)) {
        throw new LatheException(
            rows + " rows of " + encoding.label() + " have " + scales.length + " scales");
      }
      requireHalf(scales, "scales");
    }
  }

  private static void requireHalf(float[] values, String what) {
    for (float value : values) {
      if (!(Math.abs(value) <= 65504)) {
        throw new LatheException(what + " holds " + value + "; float16 ends at 65504");
      }
    }
  }

  @Override
  public void decodeRows(int from, int to, float[] target, int offset) {
    int tall = encoding.outGroup();
    int wide = encoding.inGroup();
    int across = encoding.blockColumns(columns);
    for (int row = from; row < to; row++) {
      int block = row / tall * across;
      int within = row % tall * wide;
      float scale = scales == null ? 1 : scales[row / tall];
      int out = offset + (row - from) * columns;
      for (int j = 0; j < columns; j++) {
        float sum = 0;
        for (int m = 0; m < codes.length; m++) {
          sum += codebooks[m][codes[m][block + j / wide] * tall * wide + within + j % wide];
        }
        target[out + j] = scale * sum;
      }
    }
  }
}
