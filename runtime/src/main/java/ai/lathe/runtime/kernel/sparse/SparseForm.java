package ai.lathe.runtime.kernel.sparse;

/**
 * What a kernel reads of a sparse weight.
 *
 * @param share of weights that it reads, some zeros perhaps among them
 */
public record SparseForm(Kind kind, double share) {

  /** How what is left out is told from what is there. */
  public enum Kind {
    /** A bit for each integer code: {@link SparseStripes}. */
    MASKED_CODES,
    /** The places of blocks of 16 rows and 4 columns: {@link UnitStripes}. */
    BLOCKS,
    /** A bit for each float: {@link MaskedRows}. */
    MASKED_FLOATS,
    /** The columns that some rows together have: floats in panels. */
    PANELS
  }
}
