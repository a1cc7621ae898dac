package ai.lathe.runtime.kernel.vector;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/** Memory of one thread for what is decoded; kept from one product to the next. */
final class Scratch {

  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  private float[] rows = new float[0];
  private float[] panels = new float[0];
  private final List<Float32Rows> decoded = new ArrayList<>();

  /** Sums of one tile. */
  final float[] tile = new float[PanelKernel.BROADCAST * PanelKernel.WIDTH];

  /** Four vectors whose lanes are summed. */
  final float[] lanes = new float[4 * FloatVector.SPECIES_PREFERRED.length()];

  /** Rows that are decoded together. */
  static final int DECODED = 4;

  private Scratch() {}

  static Scratch get() {
    return OF_THREAD.get();
  }

  /** At least so many floats; what was in them is lost. */
  float[] rows(int length) {
    if (rows.length < length) {
      rows = new float[length];
    }
    return rows;
  }

  /** Others than {@link #rows}. */
  float[] panels(int length) {
    if (panels.length < length) {
      panels = new float[length];
    }
    return panels;
  }

  /** {@link #DECODED} rows outside the heap, one such memory for each length of rows. */
  Float32Rows decoded(int columns) {
    for (int i = 0; i < decoded.size(); i++) {
      if (decoded.get(i).columns() == columns) {
        return decoded.get(i);
      }
    }
    var data = Arena.ofAuto().allocate(4L * DECODED * columns, 64);
    var rows = new Float32Rows("decoded", DECODED, columns, data);
    decoded.add(rows);
    return rows;
  }
}
