package ai.lathe.runtime.kernel.memory;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** Whether this machine, or the container, has memory for what is only faster. */
public final class FreeMemory {

  /** Of all memory, what has to stay free: caches and other processes live there. */
  private static final double FREE = 0.5;

  private FreeMemory() {}

  public static boolean holds(long bytes) {
    return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
        && system.getFreeMemorySize() - bytes >= FREE * system.getTotalMemorySize();
  }
}
