package ai.lathe.runtime.kernel.vector;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import jdk.incubator.vector.FloatVector;

/**
 * Whether Java's compiler has an instruction for {@code ByteVector.expand}: AVX-512 VBMI2 with
 * vectors of 512 bits. Elsewhere it is a loop over lanes, and weights are better spread out once.
 */
final class Expansion {

  private static final Path PROCESSOR = Path.of("/proc/cpuinfo");
  private static final Optional<String> REFUSAL = find();

  private Expansion() {}

  /** Why not, in half a sentence; empty where it has. */
  static Optional<String> refusal() {
    return REFUSAL;
  }

  private static Optional<String> find() {
    if (FloatVector.SPECIES_PREFERRED.vectorBitSize() < 512) {
      return Optional.of("vectors have fewer than 512 bits here");
    }
    try (var lines = Files.lines(PROCESSOR)) {
      boolean there =
          lines.filter(line -> line.startsWith("flags")).anyMatch(l -> l.contains("avx512_vbmi2"));
      return there ? Optional.empty() : Optional.of("the processor lacks AVX-512 VBMI2");
    } catch (IOException e) {
      return Optional.of("this system does not tell whether the processor has AVX-512 VBMI2");
    }
  }
}
