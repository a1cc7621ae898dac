package ai.lathe.cli;

import ai.lathe.compress.transform.FusedNorms;
import ai.lathe.compress.transform.RotatedStream;
import ai.lathe.compress.transform.RotatedStream.Rotation;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Options that change a model's weights and leave its function as it was. */
final class FunctionKept {

  @Option(
      names = "--rotate",
      arity = "0..1",
      fallbackValue = "random",
      paramLabel = "random|hadamard",
      description =
          "Rotate the residual stream, norms fused first: the same function from weights without"
              + " outliers. By a random orthogonal matrix, or by a Hadamard matrix with random signs.")
  private Optional<String> rotate = Optional.empty();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of the rotation. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--fuse-norms",
      description = "Multiply the gains of norms into the layers that read them.")
  private boolean fuseNorms;

  /** Whether anything is to be changed. */
  boolean asked() {
    return fuseNorms || rotate.isPresent();
  }

  Checkpoint view(Checkpoint model) {
    if (rotate.isPresent()) {
      return RotatedStream.of(model, rotation(rotate.get()), seed);
    }
    return fuseNorms ? new FusedNorms(model) : model;
  }

  private static Rotation rotation(String given) {
    var names = Arrays.stream(Rotation.values()).map(r -> r.name().toLowerCase(Locale.ROOT));
    var known = names.toList();
    if (!known.contains(given.toLowerCase(Locale.ROOT))) {
      throw LatheException.unknown("rotation", given, known);
    }
    return Rotation.valueOf(given.toUpperCase(Locale.ROOT));
  }
}
