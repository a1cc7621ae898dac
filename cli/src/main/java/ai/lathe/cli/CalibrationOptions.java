package ai.lathe.cli;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which text a command calibrates and measures on, and how much of it. */
final class CalibrationOptions extends CalibrationText {

  @Option(
      names = "--eval-data",
      paramLabel = "FILE",
      description = "Text to measure on; otherwise a part of --data that calibration does not see.")
  Optional<Path> evalData;
}
