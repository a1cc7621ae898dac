package ai.lathe.bench;

import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.LanguageModel.Logits;
import ai.lathe.model.Masking;
import ai.lathe.model.Pooling;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture.ModelKind;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.TorchEncoder;
import ai.lathe.torch.TorchModel;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * What a model computes, on disk, for another program to compare its own with.
 *
 * <p>{@code LogitDump MODEL TEXT SEQUENCE-LENGTH COUNT OUT} writes
 *
 * <ul>
 *   <li>{@code OUT.texts.json}: the first COUNT paragraphs of TEXT, each as {@code {"text",
 *       "tokens"}}, of a decoder without special tokens, of an encoder with them
 *   <li>{@code OUT.windows.json}: the token ids of the first COUNT windows of TEXT, of a decoder;
 *       of an encoder with a head for masked tokens those of the texts, some of them masked
 *   <li>{@code OUT.bin}, little-endian: int32 width, int32 rows, then float32 rows. Of a decoder a
 *       row holds the logits [vocabulary] after each position of each window, of an encoder with a
 *       head those at each position; of another encoder, the mean-pooled embedding [hidden] of
 *       length 1 of each paragraph
 * </ul>
 */
public final class LogitDump {

  private record Tokenized(String text, int[] tokens) {}

  private static final ObjectMapper JSON = new ObjectMapper();

  private LogitDump() {}

  public static void main(String[] arguments) throws IOException {
    if (arguments.length != 5) {
      System.err.println("usage: LogitDump MODEL TEXT SEQUENCE-LENGTH COUNT OUT");
      System.exit(2);
    }
    var text = TextData.open(Path.of(arguments[1]));
    int length = Integer.parseInt(arguments[2]);
    int count = Integer.parseInt(arguments[3]);
    var out = arguments[4];
    try (var checkpoint = Checkpoints.open(arguments[0])) {
      var tokenizer =
          checkpoint
              .tokenizer()
              .orElseThrow(() -> new LatheException(arguments[0] + " has no tokenizer"));
      boolean decoder = checkpoint.architecture().kind() == ModelKind.DECODER;
      var texts = paragraphs(text, tokenizer, count, decoder);
      JSON.writeValue(Path.of(out + ".texts.json").toFile(), texts);
      List<float[]> rows;
      if (decoder) {
        var all = Windows.evaluation(text, tokenizer, length).tokens();
        var windows = all.subList(0, Math.min(count, all.size()));
        JSON.writeValue(Path.of(out + ".windows.json").toFile(), windows);
        try (var model = TorchModel.of(checkpoint)) {
          rows = logits(model::forward, checkpoint.config().vocabulary(), windows);
        }
      } else if (checkpoint.architecture().has(Role.OUTPUT)) {
        var masking = Masking.of(tokenizer);
        var random = new SplittableRandom(1);
        var masked =
            texts.stream()
                .map(t -> Arrays.copyOf(t.tokens(), Math.min(length, t.tokens().length)))
                .map(tokens -> masking.hide(tokens, random).tokens())
                .toList();
        JSON.writeValue(Path.of(out + ".windows.json").toFile(), masked);
        try (var encoder = TorchEncoder.of(checkpoint)) {
          rows = logits(encoder::logits, checkpoint.config().vocabulary(), masked);
        }
      } else {
        rows = embeddings(checkpoint, texts);
      }
      write(rows, Path.of(out + ".bin"));
    }
  }

  private static List<Tokenized> paragraphs(
      TextData text, Tokenizer tokenizer, int count, boolean plain) {
    try (var documents = text.documents()) {
      return documents
          .limit(count)
          .map(
              paragraph ->
                  new Tokenized(
                      paragraph,
                      plain ? tokenizer.encodePlain(paragraph) : tokenizer.encode(paragraph)))
          .toList();
    }
  }

  private static List<float[]> logits(
      Function<int[], Logits> model, int vocabulary, List<int[]> windows) {
    var rows = new ArrayList<float[]>();
    for (var window : windows) {
      try (var logits = model.apply(window)) {
        for (int position = 0; position < window.length; position++) {
          var row = new float[vocabulary];
          logits.rows(position, position + 1, row);
          rows.add(row);
        }
      }
    }
    return rows;
  }

  private static List<float[]> embeddings(Checkpoint checkpoint, List<Tokenized> texts) {
    try (var encoder = TorchEncoder.of(checkpoint)) {
      var hidden = encoder.encode(texts.stream().map(Tokenized::tokens).toList());
      return hidden.stream().map(Pooling.MEAN::embed).map(LogitDump::narrow).toList();
    }
  }

  private static float[] narrow(double[] values) {
    var narrowed = new float[values.length];
    IntStream.range(0, values.length).forEach(i -> narrowed[i] = (float) values[i]);
    return narrowed;
  }

  private static void write(List<float[]> rows, Path file) throws IOException {
    int width = rows.getFirst().length;
    var bytes =
        ByteBuffer.allocate(Math.toIntExact(8 + 4L * width * rows.size()))
            .order(ByteOrder.LITTLE_ENDIAN)
            .putInt(width)
            .putInt(rows.size());
    for (var row : rows) {
      for (float value : row) {
        bytes.putFloat(value);
      }
    }
    Files.write(file, bytes.array());
  }
}
