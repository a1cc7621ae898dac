package ai.lathe.torch;

import java.lang.foreign.MemorySegment;
import org.bytedeco.javacpp.Pointer;

/** The address of memory that somebody else owns. */
final class Memory extends Pointer {

  Memory(MemorySegment segment) {
    super((Pointer) null);
    this.address = segment.address();
    this.limit = segment.byteSize();
    this.capacity = segment.byteSize();
  }
}
