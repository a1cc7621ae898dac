package ai.lathe.runtime.kernel.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import java.util.NoSuchElementException;

/**
 * Memory of Linux and macOS in whole pages: for weights in huge ones, because each token reads all
 * of them and the processor keeps few addresses of pages; and for machine code.
 */
public final class Pages {

  /** The system does not give memory, or not for this use. The message says which, for people. */
  public static final class Refused extends Exception {
    private static final long serialVersionUID = 1L;

    public Refused(String message) {
      super(message);
    }
  }

  /** Of x86-64, and of most others. */
  private static final long HUGE = 2L << 20;

  /** The largest ordinary one of the systems that this runs on. */
  private static final long PAGE = 64 << 10;

  private static final int READ = 1;
  private static final int WRITE = 2;
  private static final int EXECUTE = 4;
  private static final int PRIVATE = 2;
  private static final int ANONYMOUS_LINUX = 0x20;
  private static final int ANONYMOUS_MACOS = 0x1000;
  private static final int ADVICE_HUGE = 14;

  private static final String OS = System.getProperty("os.name").toLowerCase(Locale.ROOT);

  private Pages() {}

  /** Functions of the C library, looked for when they are first needed. */
  private static final class Library {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MemoryLayout LONG = ValueLayout.JAVA_LONG;
    private static final MemoryLayout INT = ValueLayout.JAVA_INT;
    static final MethodHandle MMAP = find("mmap", LONG, LONG, LONG, INT, INT, INT, LONG);
    static final MethodHandle MUNMAP = find("munmap", INT, LONG, LONG);
    static final MethodHandle MPROTECT = find("mprotect", INT, LONG, LONG, INT);
    static final MethodHandle MADVISE = find("madvise", INT, LONG, LONG, INT);

    /** Null where there is none. */
    private static MethodHandle find(String name, MemoryLayout result, MemoryLayout... arguments) {
      try {
        var address = LINKER.defaultLookup().findOrThrow(name);
        return LINKER.downcallHandle(address, FunctionDescriptor.of(result, arguments));
      } catch (NoSuchElementException e) {
        return null;
      }
    }
  }

  /**
   * Zeros at an address that 64 divides; in huge pages where they are worth it and the system has
   * them, else in ordinary ones.
   *
   * @param arena at whose end the memory is given back
   */
  public static MemorySegment allocate(long bytes, Arena arena) {
    if (bytes < 2 * HUGE
        || !OS.startsWith("linux")
        || !Pages.class.getModule().isNativeAccessEnabled()) {
      return arena.allocate(bytes, 64);
    }
    try {
      return allocateHuge(bytes, arena);
    } catch (Refused e) {
      return arena.allocate(bytes, 64);
    }
  }

  /** From a multiple of the size of huge pages; what follows the last whole one is ordinary. */
  private static MemorySegment allocateHuge(long bytes, Arena arena) throws Refused {
    long size = whole(bytes);
    long mapped = map(size + HUGE);
    long start = mapped + (-mapped & HUGE - 1);
    unmap(mapped, start - mapped);
    unmap(start + size, mapped + HUGE - start);
    try {
      // Advice alone: where the system does not take it, pages are ordinary.
      int _ = (int) Library.MADVISE.invokeExact(start, size, ADVICE_HUGE);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return MemorySegment.ofAddress(start)
        .reinterpret(size, arena, memory -> unmap(memory.address(), size))
        .asSlice(0, bytes);
  }

  /**
   * Machine code in memory that is written first and made executable after, never both at once. It
   * stays for as long as the process lives.
   *
   * @throws Refused where the system forbids that, for people
   */
  public static MemorySegment executable(byte[] code) throws Refused {
    long size = whole(code.length);
    long start = map(size);
    var memory = MemorySegment.ofAddress(start).reinterpret(size);
    MemorySegment.copy(code, 0, memory, ValueLayout.JAVA_BYTE, 0, code.length);
    try {
      if ((int) Library.MPROTECT.invokeExact(start, size, READ | EXECUTE) != 0) {
        unmap(start, size);
        throw new Refused("the system forbids to execute memory that a program has written");
      }
    } catch (Refused e) {
      throw e;
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    return memory.asReadOnly();
  }

  private static long whole(long bytes) {
    return Math.ceilDiv(bytes, PAGE) * PAGE;
  }

  private static long map(long size) throws Refused {
    if (Library.MMAP == null
        || Library.MUNMAP == null
        || Library.MPROTECT == null
        || Library.MADVISE == null) {
      throw new Refused("the system's C library has no mmap");
    }
    int flags = PRIVATE | (OS.startsWith("mac") ? ANONYMOUS_MACOS : ANONYMOUS_LINUX);
    long address;
    try {
      address = (long) Library.MMAP.invokeExact(0L, size, READ | WRITE, flags, -1, 0L);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
    if (address == -1) {
      throw new Refused("the system gives no memory");
    }
    return address;
  }

  private static void unmap(long start, long size) {
    if (size == 0) {
      return;
    }
    try {
      int _ = (int) Library.MUNMAP.invokeExact(start, size);
    } catch (Throwable e) {
      throw new AssertionError(e);
    }
  }
}
