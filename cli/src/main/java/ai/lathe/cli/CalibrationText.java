package ai.lathe.cli;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.eval.data.TextData;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which text a command calibrates on, and how much of it. */
class CalibrationText {

  @Option(
      names = "--data",
      paramLabel = "FILE",
      description =
          "Text to calibrate on. " + Descriptions.TEXT + " Default: a text that comes with Lathe.")
  Optional<Path> data;

  @Option(
      names = "--field",
      paramLabel = "NAME",
      defaultValue = TextData.DEFAULT_FIELD,
      description = Descriptions.FIELD)
  String field;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "" + CompressionRequest.SAMPLES,
      description = "Calibration sequences. Default: ${DEFAULT-VALUE}.")
  int samples;

  @Option(
      names = "--seq-len",
      paramLabel = "N",
      description =
          "Tokens of a sequence; otherwise as many as the model takes, "
              + CompressionRequest.SEQUENCE_LENGTH
              + " at most.")
  Optional<Integer> length;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of the choice of sequences. Default: ${DEFAULT-VALUE}.")
  long seed;
}
