package ai.lathe.cli;

import ai.lathe.model.hub.HubSettings;
import ai.lathe.model.tokenizer.JsonTokenizer;
import ai.lathe.runtime.provider.Providers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.linalg.Gemm;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Everything that {@code lathe doctor} looks at. */
final class Checks {

  static final List<Supplier<Check>> ALL =
      List.of(
          Checks::java,
          Checks::cores,
          Checks::memory,
          Checks::disk,
          Checks::vectors,
          Checks::kernels,
          TorchCheck::run,
          Checks::tokenizer,
          Checks::hub);

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
    var finding = "matrix products: " + Gemm.kernel();
    return Gemm.vectorized()
        ? Check.ok("vectors", finding)
        : Check.warn(
            "vectors",
            finding.toUpperCase(Locale.ROOT) + ", SEVERAL TIMES SLOWER",
            "start Java with --add-modules jdk.incubator.vector, as ./lathe does");
  }

  /** What models run on; a refusal that another start of Java would avoid is a warning. */
  private static Check kernels() {
    var offers = Providers.offers();
    var taken =
        offers.stream().filter(offer -> offer.refusal().isEmpty()).findFirst().orElseThrow();
    var refused = offers.subList(0, offers.indexOf(taken));
    var finding =
        Stream.concat(
                Stream.of(taken.label()),
                refused.stream().map(offer -> "not " + offer.name() + ": " + offer.refusal().get()))
            .collect(Collectors.joining("; "));
    return refused.stream().noneMatch(Providers.Offer::avoidable)
        ? Check.ok("kernels", finding)
        : Check.warn("kernels", finding, "./lathe starts Java with the options that kernels need");
  }

  /** A vocabulary of one word is enough to load the native library and to use it. */
  private static Check tokenizer() {
    var json =
        """
        {"version": "1.0", "added_tokens": [],
         "model": {"type": "WordLevel", "vocab": {"lathe": 0}, "unk_token": "lathe"}}
        """;
    try (var tokenizer =
        JsonTokenizer.of(json.getBytes(StandardCharsets.UTF_8), "the check's own tokenizer")) {
      return tokenizer.encode("lathe").length == 1
          ? Check.ok("tokenizer", "the native library loads and works")
          : Check.fail("tokenizer", "the native library counts wrongly", "please report it");
    } catch (LatheException e) {
      return Check.fail(
          "tokenizer",
          e.getMessage(),
          "its cache (DJL_CACHE_DIR, else ~/.djl.ai) must be writable and allow execution");
    }
  }

  private static Check hub() {
    HubSettings settings;
    try {
      settings = HubSettings.of(System.getenv());
    } catch (LatheException e) {
      return Check.fail("hub", e.getMessage(), "correct that setting, or leave it out");
    }
    var finding =
        "%s%s, cache %s, %s"
            .formatted(
                settings.endpoint(),
                settings.offline() ? " (HF_HUB_OFFLINE is set)" : "",
                settings.cache(),
                settings.token().isPresent() ? "with a token" : "no token");
    var existing = settings.cache();
    while (existing != null && !Files.exists(existing)) {
      existing = existing.getParent();
    }
    return existing != null && Files.isWritable(existing)
        ? Check.ok("hub", finding)
        : Check.warn("hub", finding, "the cache is not writable: set HF_HOME to a folder that is");
  }
}
