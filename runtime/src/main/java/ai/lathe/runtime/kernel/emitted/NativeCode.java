package ai.lathe.runtime.kernel.emitted;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.NoSuchElementException;

/**
 * Memory that holds machine code, for as long as the process lives. It is written first and made
 * executable after; at no time is it both.
 */
final class NativeCode {

  /** Code that could not be put into memory, for example because the system forbids it. */
  static final class Refused extends Exception {
    private static final long serialVersionUID = 1L;

    Refused(String message) {
      super(message);
    }
  }

  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int EXECUTE = 4;
  private static final int PRIVATE = 2;
  private static final int ANONYMOUS_LINUX = 0x20;
  private static final int ANONYMOUS_MACOS = 0x1000;
  private static final long PAGE = 4096;

  private static final Linker LINKER = Linker.nativeLinker();

  private NativeCode() {}

  /** The address of the first byte of executable memory that holds this code. */
  static MemorySegment map(byte[] code, boolean macos) throws Refused {
    long size = Math.ceilDiv(code.length, PAGE) * PAGE;
    try {
      var mmap =
          function(
              "mmap",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG));
      var mprotect =
          function(
              "mprotect",
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_INT));
      int flags = PRIVATE | (macos ? ANONYMOUS_MACOS : ANONYMOUS_LINUX);
      long address = (long) mmap.invokeExact(0L, size, READ | WRITE, flags, -1, 0L);
      if (address == -1) {
        throw new Refused("the system gives no memory for machine code");
      }
      var memory = MemorySegment.ofAddress(address).reinterpret(size);
      MemorySegment.copy(code, 0, memory, ValueLayout.JAVA_BYTE, 0, code.length);
      if ((int) mprotect.invokeExact(address, size, READ | EXECUTE) != 0) {
        throw new Refused("the system forbids to execute memory that a program has written");
      }
      return memory.asReadOnly();
    } catch (Refused | RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }

  private static MethodHandle function(String name, FunctionDescriptor type) throws Refused {
    try {
      return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type);
    } catch (NoSuchElementException e) {
      throw new Refused("the system's C library has no " + name);
    }
  }

  /** Any function of that many long parameters, its address given with each call. */
  static MethodHandle caller(FunctionDescriptor type) {
    return LINKER.downcallHandle(type, Linker.Option.critical(false));
  }
}
