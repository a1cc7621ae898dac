package ai.lathe.compress.pruning;

/** Among which weights the least important are found. */
public enum Scope {
  /** Each row of a matrix by itself, which loses as many weights as any other. */
  ROW,
  /** Each matrix by itself. */
  LAYER,
  /** All matrices together: one that can spare more loses more. */
  GLOBAL
}
