package ai.lathe.runtime.kernel.emitted;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;

/** How Java calls machine code. */
final class NativeCall {

  private static final MethodHandle EIGHT = withLongs(8);

  private NativeCall() {}

  /**
   * Takes a function's address, then this many longs. The thread stays in Java's state, which makes
   * a call as cheap as one of Java; the garbage collector waits for its end.
   */
  static MethodHandle withLongs(int count) {
    return handle(FunctionDescriptor.ofVoid(longs(count)));
  }

  /** Likewise; returns a long. */
  static MethodHandle toLong(int count) {
    return handle(FunctionDescriptor.of(ValueLayout.JAVA_LONG, longs(count)));
  }

  private static MemoryLayout[] longs(int count) {
    return Collections.nCopies(count, ValueLayout.JAVA_LONG).toArray(MemoryLayout[]::new);
  }

  private static MethodHandle handle(FunctionDescriptor function) {
    return Linker.nativeLinker().downcallHandle(function, Linker.Option.critical(false));
  }

  /** Calls a function of up to eight arguments; it looks at no more than it has. */
  static void call(
      MemorySegment function, long a, long b, long c, long d, long e, long f, long g, long h) {
    try {
      EIGHT.invokeExact(function, a, b, c, d, e, f, g, h);
    } catch (Throwable failure) {
      throw new AssertionError(failure);
    }
  }
}
