package ai.lathe.cli;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;

/** Everything that {@code lathe doctor} looks at. */
final class Checks {

  static final List<Supplier<Check>> ALL =
      List.of(Checks::java, Checks::cores, Checks::memory, Checks::disk, Checks::vectors);

  private static final int RELEASE = 25;
  private static final long LITTLE_MEMORY = 4L << 30;
  private static final long LITTLE_DISK = 5L << 30;

  private Checks() {}

  private static Check java() {
    var version = Runtime.version();
    var finding =
        version + ", " + System.getProperty("java.vendor") + ", " + System.getProperty("java.home");
    return version.feature() >= RELEASE
        ? Check.ok("java", finding)
        : Check.fail("java", finding, "set LATHE_JAVA_HOME to a JDK " + RELEASE + " or newer");
  }

  private static Check cores() {
    int cores = Runtime.getRuntime().availableProcessors();
    var finding = cores + " cores, " + System.getProperty("os.arch");
    return cores > 1
        ? Check.ok("cores", finding)
        : Check.warn("cores", finding, "compression uses all cores there are; more are faster");
  }

  private static Check memory() {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long total = system.getTotalMemorySize();
    var finding =
        "%s in all, %s free, Java's heap up to %s"
            .formatted(
                Sizes.bytes(total),
                Sizes.bytes(system.getFreeMemorySize()),
                Sizes.bytes(Runtime.getRuntime().maxMemory()));
    return total >= LITTLE_MEMORY
        ? Check.ok("memory", finding)
        : Check.warn("memory", finding, "enough for small models only");
  }

  private static Check disk() {
    var here = Path.of("").toAbsolutePath();
    try {
      long free = Files.getFileStore(here).getUsableSpace();
      var finding = Sizes.bytes(free) + " free at " + here;
      return free >= LITTLE_DISK
          ? Check.ok("disk", finding)
          : Check.warn("disk", finding, "write to a larger disk with -o");
    } catch (IOException e) {
      return Check.warn("disk", "cannot be read at " + here + ": " + e.getMessage(), "");
    }
  }

  private static Check vectors() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      return Check.warn(
          "vectors",
          "SCALAR CODE ONLY: many times slower",
          "start Java with --add-modules jdk.incubator.vector, as ./lathe does");
    }
    int bits = VectorShape.bits();
    var finding = "jdk.incubator.vector, " + bits + " bits wide";
    return bits >= 128
        ? Check.ok("vectors", finding)
        : Check.warn("vectors", finding, "this processor's vectors are not used: scalar speed");
  }
}
