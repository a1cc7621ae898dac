package ai.lathe.compress.plan;

import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Gemm;
import ai.lathe.tensor.linalg.View;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** What this machine has to offer, and what this process has taken of it. */
public final class Machine {

  private static final Path STATUS = Path.of("/proc/self/status");

  private static final String DATA_LIMIT = "Max data size";

  private Machine() {}

  /**
   * Bytes that could be allocated without pushing anything out of memory; file caches count as
   * free. Where the process has a limit of its own ({@code ulimit -d}), no more than what is left
   * of that.
   */
  public static long availableMemory() {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    // The bean knows container limits, but counts caches as used; the kernel's own figure counts
    // them as free.
    var available = kilobytes(Path.of("/proc/meminfo"), "MemAvailable:");
    long free =
        available.isPresent()
            ? Math.min(available.getAsLong(), system.getTotalMemorySize())
            : system.getFreeMemorySize();
    return Math.min(free, left());
  }

  /** Of the process's own limit of writable memory. */
  private static long left() {
    long used = kilobytes(STATUS, "VmData:").orElse(0);
    try (var lines = Files.lines(Path.of("/proc/self/limits"))) {
      return lines
          .filter(line -> line.startsWith(DATA_LIMIT))
          .map(line -> line.substring(DATA_LIMIT.length()).strip().split("\\s+")[0])
          .filter(soft -> !soft.equals("unlimited"))
          .mapToLong(soft -> Math.max(0, Long.parseLong(soft) - used))
          .findFirst()
          .orElse(Long.MAX_VALUE);
    } catch (IOException | RuntimeException e) {
      return Long.MAX_VALUE;
    }
  }

  /**
   * Most bytes that this process ever held resident, heap and native; where the system does not
   * tell, the heap's peak alone.
   */
  public static long peakMemory() {
    return kilobytes(STATUS, "VmHWM:")
        .orElseGet(
            () ->
                ManagementFactory.getMemoryPoolMXBeans().stream()
                    .mapToLong(pool -> pool.getPeakUsage().getUsed())
                    .sum());
  }

  /** Bytes that may still be written to the file system of this path, which need not exist yet. */
  public static long usableDisk(Path path) {
    var existing = path.toAbsolutePath();
    while (existing != null && !Files.exists(existing)) {
      existing = existing.getParent();
    }
    try {
      return existing == null ? Long.MAX_VALUE : Files.getFileStore(existing).getUsableSpace();
    } catch (IOException e) {
      return Long.MAX_VALUE;
    }
  }

  /** What matrix products reach here, in operations a second: a short measurement. */
  public static double multiplyRate() {
    int n = 512;
    var a = View.of(Matrix.zeros(n, n));
    var c = View.of(Matrix.zeros(n, n));
    double best = 0;
    for (int round = 0; round < 8; round++) {
      long start = System.nanoTime();
      Gemm.add(c, a, a);
      best = Math.max(best, 2.0 * n * n * n * 1e9 / (System.nanoTime() - start));
    }
    return best;
  }

  private static OptionalLong kilobytes(Path file, String field) {
    try (var lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith(field))
          .mapToLong(
              line ->
                  Long.parseLong(line.substring(field.length()).replace("kB", "").strip()) * 1024)
          .findFirst();
    } catch (IOException | RuntimeException e) {
      return OptionalLong.empty();
    }
  }
}
