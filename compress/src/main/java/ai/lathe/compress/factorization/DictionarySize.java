package ai.lathe.compress.factorization;

import ai.lathe.tensor.Encoding;

/**
 * Sizes of {@code C D}, with {@code C [out, atoms]} sparse and {@code D [atoms, in]} dense.
 *
 * <p>With a ratio {@code k / s} of atoms to those that a row uses, parameters are
 *
 * <pre>
 *   k in + (k / ratio) out &lt;= p out in
 * </pre>
 *
 * for a share {@code p} that stays: {@code k} is the greatest that fits, at most {@code min(out,
 * in)}, and what is left is spent on {@code C}. Where atoms are that few, rows use more of them
 * than the ratio says.
 *
 * @param atoms {@code k}; may be 0
 * @param kept values of {@code C} that are stored, at most {@code out * atoms}; may be 0
 */
public record DictionarySize(int rows, int columns, int atoms, long kept) {

  /** Shape and level alone decide, so that files can be laid out before data is seen. */
  static DictionarySize of(int rows, int columns, Removal removed, double ratio, Factors factors) {
    long left = removed.left(rows, columns);
    int most = Math.min(rows, columns);
    int atoms = factors.rank((int) Math.min(most, left / (columns + rows / ratio)));
    long kept = Math.min((long) rows * atoms, left - (long) atoms * columns);
    return new DictionarySize(rows, columns, atoms, kept);
  }

  /** The same with as many in each row. */
  DictionarySize even() {
    return new DictionarySize(rows, columns, atoms, kept / rows * rows);
  }

  /** Whether {@code C} has no zeros: two plain factors of low rank. */
  public boolean dense() {
    return kept == (long) rows * atoms;
  }

  /** Of both factors. */
  public long parameters() {
    return kept + (long) atoms * columns;
  }

  boolean usable() {
    return atoms >= 1 && kept >= rows;
  }

  Encoding.Product encoding(Factors factors) {
    return dense() ? factors.encoding(columns, atoms) : factors.encoding(this);
  }
}
