package ai.lathe.runtime.kernel.emitted;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What decides whether machine code can run, before any of it does.
 *
 * @param os as Java names it
 * @param architecture likewise
 * @param nativeAccess whether this module may call foreign functions
 * @param listed the processor's features as the system lists them; empty where it does not
 */
record Platform(String os, String architecture, boolean nativeAccess, Set<String> listed) {

  /** Linux's list, and the names there of what the kernels need. */
  private static final Path LIST = Path.of("/proc/cpuinfo");

  private static final List<String> NEEDED = List.of("avx512f", "avx512_vnni");

  static Platform current() {
    return new Platform(
        System.getProperty("os.name"),
        System.getProperty("os.arch"),
        Platform.class.getModule().isNativeAccessEnabled(),
        listed(LIST));
  }

  private static Set<String> listed(Path list) {
    try (var lines = Files.lines(list)) {
      return lines
          .filter(line -> line.startsWith("flags"))
          .findFirst()
          .map(
              line -> Set.copyOf(List.of(line.substring(line.indexOf(':') + 1).trim().split(" +"))))
          .orElse(Set.of());
    } catch (IOException e) {
      return Set.of();
    }
  }

  boolean macos() {
    return os.toLowerCase(Locale.ROOT).startsWith("mac");
  }

  /** Refuses where no code of ours could run at all. */
  void check() throws Unavailable {
    boolean known = macos() || os.toLowerCase(Locale.ROOT).startsWith("linux");
    boolean x86 = architecture.equals("amd64") || architecture.equals("x86_64");
    if (!known || !x86) {
      throw new Unavailable(
          "machine code is written for x86-64 on Linux and macOS, not for %s on %s"
              .formatted(architecture, os),
          false);
    }
    var missing = NEEDED.stream().filter(feature -> !listed.contains(feature)).toList();
    if (!listed.isEmpty() && !missing.isEmpty()) {
      throw new Unavailable("the processor lacks " + String.join(", ", missing), false);
    }
    if (!nativeAccess) {
      throw new Unavailable("start java with --enable-native-access=ALL-UNNAMED", true);
    }
  }
}
