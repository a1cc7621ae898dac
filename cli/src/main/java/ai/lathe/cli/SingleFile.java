package ai.lathe.cli;

import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;

/**
 * A {@code .safetensors} file as the target of a conversion. Such a file says nothing of the
 * network, so configuration and tokenizer stand beside it: the model is written as a directory,
 * whose files then move to where the weights are wanted, the weights last.
 */
record SingleFile(Path weights) {

  private static final String WEIGHTS = "model.safetensors";

  static boolean is(Path output) {
    return output.getFileName().toString().endsWith(".safetensors");
  }

  /** Where the directory is written. */
  Path directory() {
    return weights.resolveSibling(weights.getFileName() + ".files");
  }

  void check(CheckpointPlan plan, boolean force) {
    if (plan.bytes() > SafetensorsPlan.SHARD_BYTES) {
      throw new LatheException(
          "%s would have %s, more than one file should; name a directory"
              .formatted(weights, Sizes.bytes(plan.bytes())));
    }
    var config = weights.resolveSibling("config.json");
    if (!force && (Files.exists(weights) || Files.exists(config))) {
      throw new LatheException(
          "%s exists already; choose another name, or replace it with --force"
              .formatted(Files.exists(weights) ? weights : config));
    }
  }

  void moveIntoPlace() {
    try {
      List<Path> files;
      try (var list = Files.list(directory())) {
        files = list.filter(file -> !file.endsWith(WEIGHTS)).sorted().toList();
      }
      for (var file : files) {
        Files.move(
            file, weights.resolveSibling(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
      Files.move(directory().resolve(WEIGHTS), weights, StandardCopyOption.REPLACE_EXISTING);
      Files.delete(directory());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
