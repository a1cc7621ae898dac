package ai.lathe.cli;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.calibration.ImportanceCalibration;
import ai.lathe.compress.calibration.Texts;
import ai.lathe.compress.measure.Executor;
import ai.lathe.eval.data.TextData;
import ai.lathe.format.imatrix.ImatrixFile;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe imatrix}. */
@Command(
    name = "imatrix",
    description = {
      "Runs text through a model and writes its importance matrix: how strongly each input of each"
          + " matrix was excited, in llama.cpp's format.",
      "'lathe compress' and 'lathe convert' take it as --imatrix, and so does llama-quantize."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe imatrix path/to/model --data text.txt -o model.imatrix.gguf",
      "  lathe compress path/to/model -o small.gguf --gguf Q3_K --imatrix model.imatrix.gguf"
    })
final class ImatrixCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description = "Text to run through the model. " + Descriptions.TEXT)
  private Path data;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "OUT",
      description = "The file to write; usually its name ends in .gguf.")
  private Path output;

  @Option(
      names = "--field",
      paramLabel = "NAME",
      defaultValue = TextData.DEFAULT_FIELD,
      description = Descriptions.FIELD)
  private String field;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "" + CompressionRequest.SAMPLES,
      description = "Sequences, at most. Default: ${DEFAULT-VALUE}.")
  private int samples;

  @Option(
      names = "--seq-len",
      paramLabel = "N",
      description =
          "Tokens of a sequence; otherwise as many as the model takes, "
              + CompressionRequest.SEQUENCE_LENGTH
              + " at most.")
  private Optional<Integer> length;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Of the choice of sequences. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(names = "--force", description = "Replace what stands at OUT.")
  private boolean force;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  ImatrixCommand(Console console) {
    this.console = console;
  }

  /**
   * The result.
   *
   * @param tensors with an entry
   * @param unseen tensors of which some expert saw no token
   */
  record Collected(
      String model,
      String artifact,
      int tensors,
      int sequences,
      int sequenceLength,
      long tokens,
      List<String> unseen,
      double seconds) {}

  @Override
  public Integer call() {
    long began = System.nanoTime();
    if (!force && Files.exists(output)) {
      throw new LatheException(
          output + " exists already; choose another name, or replace it with --force");
    }
    if (samples < 1) {
      throw new LatheException("--samples is at least 1, not " + samples);
    }
    try (var source = Checkpoints.open(model, console.progress())) {
      var tokenizer =
          source
              .tokenizer()
              .orElseThrow(
                  () -> new LatheException(model + " has no tokenizer, so no text can be run"));
      int tokens = Texts.length(length, source.config().context());
      var kind = source.architecture().kind();
      var texts =
          Texts.calibration(kind, tokenizer, TextData.open(data, field), samples, tokens, seed);
      texts.notes().forEach(note -> console.say("note: " + note));
      try (var states =
          Executor.states(source, texts.calibration(), output.toAbsolutePath().getParent())) {
        var matrix =
            ImportanceCalibration.collect(
                source,
                states,
                texts.calibration().size(),
                tokens,
                data.toString(),
                console.progress());
        ImatrixFile.write(output, matrix);
        var unseen =
            matrix.entries().entrySet().stream()
                .filter(entry -> hasZero(entry.getValue().counts()))
                .map(Map.Entry::getKey)
                .toList();
        report(
            new Collected(
                model,
                output.toString(),
                matrix.entries().size(),
                texts.calibration().size(),
                tokens,
                states.tokens(),
                unseen,
                (System.nanoTime() - began) / 1e9));
      }
    }
    return Main.OK;
  }

  private static boolean hasZero(float[] counts) {
    for (float count : counts) {
      if (count == 0) {
        return true;
      }
    }
    return false;
  }

  private void report(Collected collected) {
    collected
        .unseen()
        .forEach(name -> console.say("note: some expert of " + name + " saw no token"));
    if (json) {
      console.json(collected);
    } else {
      console.print(
          "%s: the inputs of %d matrices over %d tokens in %d sequences, in %s"
              .formatted(
                  output,
                  collected.tensors(),
                  collected.tokens(),
                  collected.sequences(),
                  Durations.of((long) (collected.seconds() * 1e9))));
    }
  }
}
