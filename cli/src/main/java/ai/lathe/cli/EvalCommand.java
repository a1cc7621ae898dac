package ai.lathe.cli;

import ai.lathe.compress.CompressionRequest;
import ai.lathe.compress.measure.Executor;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.eval.data.Sentences;
import ai.lathe.eval.data.Sequences;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.model.checkpoint.SizedCheckpoint;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe eval}. */
@Command(
    name = "eval",
    description = {
      "Measures a model on text, alone or against a reference.",
      "A decoder: perplexity over all predicted tokens of windows without overlap (the Hugging Face"
          + " way), and over the second half of each window (llama.cpp's way); the two are not"
          + " comparable. With a reference: mean KL divergence, expected acceptance rate (EAR) and"
          + " top-1 agreement of the next-token distributions.",
      "An encoder, always against a reference: mean cosine of sentence embeddings."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe eval path/to/model --data heldout.txt",
      "  lathe eval small.gguf --data heldout.txt --reference path/to/model --json",
      "  lathe eval small-encoder --data sentences.jsonl --field sentence --reference path/to/encoder"
    })
final class EvalCommand implements Callable<Integer> {

  /** Of an encoder: more texts change the mean cosine little. */
  private static final int TEXTS = 1000;

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(names = "--data", required = true, paramLabel = "FILE", description = Descriptions.TEXT)
  private Path data;

  @Option(
      names = "--field",
      paramLabel = "NAME",
      defaultValue = TextData.DEFAULT_FIELD,
      description = Descriptions.FIELD)
  private String field;

  @Option(
      names = "--seq-len",
      paramLabel = "N",
      description =
          "Tokens of a window, or most tokens of an encoder's text; otherwise as many as the model"
              + " takes, "
              + CompressionRequest.SEQUENCE_LENGTH
              + " at most.")
  private Optional<Integer> length;

  @Option(
      names = "--reference",
      paramLabel = "MODEL2",
      description = "The model to compare with, usually the uncompressed one.")
  private Optional<String> reference;

  @Option(
      names = "--size",
      paramLabel = "BYTES",
      description =
          "Of a model compressed with --method bitstack: take as many blocks of its weights as fit"
              + " into this size, for example 3MB.")
  private Optional<String> size;

  @Option(
      names = "--executor",
      paramLabel = "NAME",
      defaultValue = "torch",
      description =
          "torch: float32 on LibTorch, one block in memory at a time. runtime: the code that serves,"
              + " with the rounding of its kernels; a reference runs on torch either way. Default:"
              + " ${DEFAULT-VALUE}.")
  private String executor;

  @Mixin private RuntimeArguments runtime;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  EvalCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var text = TextData.open(data, field);
    try (var measured = open()) {
      var sequences = sequences(measured, text);
      sequences.notes().forEach(note -> console.say("note: " + note));
      var result = measure(measured, sequences);
      if (json) {
        console.json(result);
      } else {
        Lines.of(result).forEach(console::print);
      }
    }
    return Main.OK;
  }

  private Checkpoint open() {
    var whole = Checkpoints.open(model, console.progress());
    try {
      return size.isEmpty() ? whole : new SizedCheckpoint(whole, Sizes.parse(size.get()));
    } catch (LatheException e) {
      whole.close();
      throw e;
    }
  }

  private Measurement measure(Checkpoint measured, Sequences sequences) {
    if (reference.isEmpty()) {
      return Measurement.of(executor(), measured, sequences.tokens(), console.progress());
    }
    try (var other = Checkpoints.open(reference.get(), console.progress())) {
      return Measurement.of(executor(), measured, other, sequences.tokens(), console.progress());
    }
  }

  private Executor executor() {
    return switch (executor) {
      case "torch" -> Executor.TORCH;
      case "runtime" -> new RuntimeExecutor(runtime.options());
      default -> throw LatheException.unknown("executor", executor, List.of("torch", "runtime"));
    };
  }

  private Sequences sequences(Checkpoint measured, TextData text) {
    var tokenizer =
        measured
            .tokenizer()
            .orElseThrow(
                () -> new LatheException(model + " has no tokenizer, so it cannot read " + data));
    int context = measured.config().context();
    int tokens = length.orElse(Math.min(CompressionRequest.SEQUENCE_LENGTH, context));
    if (tokens > context) {
      throw new LatheException(
          "--seq-len %d is more than the model's context of %d".formatted(tokens, context));
    }
    return switch (measured.architecture().kind()) {
      case DECODER -> Windows.evaluation(text, tokenizer, tokens);
      case ENCODER -> Sentences.first(text, tokenizer, TEXTS, tokens);
    };
  }
}
