package ai.lathe.compress.quantization;

/**
 * The order in which GPTQ quantizes the inputs of a layer ("act-order"). Those that come first have
 * the whole rest of the row to make up for their rounding.
 */
public enum ColumnOrder {
  /** As they are stored. */
  NONE,
  /** Largest squared norm first; groups are of neighbours as stored, fitted before the sweep. */
  STATIC,
  /** Largest squared norm first; groups are formed in that order, and their index is stored. */
  GROUP
}
