package ai.lathe.runtime.kernel.composite;

import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.InputForm;
import ai.lathe.runtime.kernel.PackedMatrix;
import ai.lathe.runtime.kernel.Workers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Memory for what composite matrices compute of one input on their way. As many places as matrices
 * read the same input at a time (query, key and value), whichever they are: the layers of a model
 * take them one after the other.
 */
final class Intermediates implements InputForm {

  static final Kind<Intermediates> KIND = new Kind<>("intermediates", Intermediates::new);

  private Place[] places = new Place[0];
  private int taken;
  private Workers workers;

  /** What one matrix has computed. */
  static final class Place {
    private PackedMatrix owner;
    private MemorySegment memory = MemorySegment.NULL;

    /** The values as the input of the next factor. */
    final Input values;

    Place(Workers workers) {
      values = new Input(workers);
    }

    /** Memory of {@code [tokens, columns]} float32; what was in it is lost. */
    MemorySegment memory(int tokens, int columns) {
      long bytes = Math.multiplyExact((long) tokens * columns, Float.BYTES);
      if (memory.byteSize() < bytes) {
        memory = Arena.ofAuto().allocate(bytes, 64);
      }
      return memory;
    }

    /** What {@link #memory} gave last. */
    MemorySegment memory() {
      return memory;
    }
  }

  /** Another input: all places are free. */
  @Override
  public void make(MemorySegment values, int tokens, int columns, Workers newWorkers) {
    workers = newWorkers;
    taken = 0;
  }

  /** A place for this matrix, which has none yet. */
  Place take(PackedMatrix owner) {
    if (taken == places.length) {
      places = Arrays.copyOf(places, taken + 1);
      places[taken] = new Place(workers);
    }
    var place = places[taken++];
    place.owner = owner;
    return place;
  }

  /** The place that this matrix took; null where it took none. */
  Place of(PackedMatrix owner) {
    for (int i = 0; i < taken; i++) {
      if (places[i].owner == owner) {
        return places[i];
      }
    }
    return null;
  }
}
