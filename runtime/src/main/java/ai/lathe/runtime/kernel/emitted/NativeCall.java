package ai.lathe.runtime.kernel.emitted;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/** How Java calls machine code. */
final class NativeCall {

  private NativeCall() {}

  /**
   * Takes a function's address, then this many longs. The thread stays in Java's state, which makes
   * a call as cheap as one of Java; the garbage collector waits for its end.
   */
  static MethodHandle withLongs(int count) {
    var types = Collections.nCopies(count, ValueLayout.JAVA_LONG).toArray(MemoryLayout[]::new);
    return Linker.nativeLinker()
        .downcallHandle(FunctionDescriptor.ofVoid(types), Linker.Option.critical(false));
  }
}
