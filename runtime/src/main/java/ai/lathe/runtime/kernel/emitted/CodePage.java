package ai.lathe.runtime.kernel.emitted;

import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Functions on their way to executable memory, one behind the other. */
final class CodePage {

  /** A function begins where a cache line does. */
  private static final int ALIGNMENT = 64;

  private final List<byte[]> functions = new ArrayList<>();

  /**
   * @return its number
   */
  int add(byte[] function) {
    functions.add(function);
    return functions.size() - 1;
  }

  /** The functions by their numbers, for as long as the process lives. */
  MemorySegment[] write() throws Pages.Refused {
    var starts = new int[functions.size()];
    int size = 0;
    for (int i = 0; i < starts.length; i++) {
      starts[i] = size;
      size += functions.get(i).length + ALIGNMENT - 1 & -ALIGNMENT;
    }
    var code = new byte[size];
    for (int i = 0; i < starts.length; i++) {
      System.arraycopy(functions.get(i), 0, code, starts[i], functions.get(i).length);
    }
    var memory = Pages.executable(code);
    var written = new MemorySegment[starts.length];
    for (int i = 0; i < starts.length; i++) {
      written[i] = memory.asSlice(starts[i]);
    }
    return written;
  }
}
