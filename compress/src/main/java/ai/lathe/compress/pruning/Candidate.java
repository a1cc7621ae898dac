package ai.lathe.compress.pruning;

import ai.lathe.tensor.Matrix;

/** A matrix that is going to be pruned, before anything is known of its inputs. */
public interface Candidate {

  int rows();

  int columns();

  /** {@code [out, in]}; read when it is asked for, and not kept. */
  Matrix weight();
}
