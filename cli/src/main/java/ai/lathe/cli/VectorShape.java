package ai.lathe.cli;

import jdk.incubator.vector.FloatVector;

/** Loaded only where the vector module is there. */
final class VectorShape {

  private VectorShape() {}

  /** Bits of the widest vectors that this processor computes with. */
  static int bits() {
    return FloatVector.SPECIES_PREFERRED.vectorBitSize();
  }
}
