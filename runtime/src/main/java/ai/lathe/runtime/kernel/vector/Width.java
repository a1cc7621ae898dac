package ai.lathe.runtime.kernel.vector;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Vectors of integer kernels: the preferred width, but no more than a stripe's 16 lanes. */
final class Width {

  private static final VectorShape SHAPE =
      FloatVector.SPECIES_PREFERRED.vectorBitSize() > 512
          ? VectorShape.S_512_BIT
          : FloatVector.SPECIES_PREFERRED.vectorShape();

  static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, SHAPE);
  static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SHAPE);
  static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, SHAPE);

  /** Rows of a vector, a divisor of 16. */
  static final int LANES = FLOATS.length();

  /** As many shorts as there are lanes. */
  static final VectorSpecies<Short> HALVES =
      VectorSpecies.of(short.class, VectorShape.forBitSize(16 * LANES));

  /** As many bytes as there are lanes; null for 4 lanes, as there are no vectors so short. */
  static final VectorSpecies<Byte> BYTES =
      LANES < 8 ? null : VectorSpecies.of(byte.class, VectorShape.forBitSize(8 * LANES));

  static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

  /** Bytes of a layout's vectors. */
  static final int VECTOR = 64;

  private Width() {}
}
