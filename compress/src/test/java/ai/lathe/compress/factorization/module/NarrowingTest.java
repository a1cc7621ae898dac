package ai.lathe.compress.factorization.module;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.factorization.Removal;
import ai.lathe.compress.plan.Target;
import ai.lathe.model.Address;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.RotaryPairs;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.TorchModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole models made narrower. */
class NarrowingTest {

  @TempDir static Path folder;
  private static Path embedded;
  private static Path widened;
  private static List<int[]> sequences;

  @BeforeAll
  static void models() throws IOException {
    var model = EmbeddedModel.extract(folder.resolve("embedded"));
    embedded = model.directory();
    widened = WidenedModel.write(folder.resolve("widened"));
    try (var source = Checkpoints.open(embedded)) {
      var text = Files.readString(model.calibration()).substring(0, 12_000);
      var tokens = source.tokenizer().orElseThrow().encode(text);
      sequences = new ArrayList<>();
      for (int from = 0; from + 96 <= tokens.length && sequences.size() < 24; from += 96) {
        sequences.add(java.util.Arrays.copyOfRange(tokens, from, from + 96));
      }
    }
  }

  private static Narrowing narrow(
      Checkpoint source,
      Path directory,
      boolean resume,
      List<String> messages,
      Object... settings) {
    var given = new HashMap<String, Object>();
    for (int i = 0; i < settings.length; i += 2) {
      given.put(settings[i].toString(), settings[i + 1]);
    }
    double share = ((Number) given.remove("remove")).doubleValue();
    var method = ModeGpt.of(new Removal(share), given);
    int hidden = source.config().hidden();
    return Narrowing.of(
        source,
        new Narrowing.Request(
            method,
            sequences,
            () -> new HiddenStates(sequences, hidden, 1024, 1 << 30, folder),
            directory,
            resume),
        Progress.NONE,
        messages::add);
  }

  private static float[] logits(Checkpoint checkpoint) {
    try (var model = TorchModel.of(checkpoint);
        var logits = model.forward(sequences.getLast())) {
      var values = new float[logits.positions() * model.vocabularySize()];
      logits.rows(0, logits.positions(), values);
      return values;
    }
  }

  private static double greatestDifference(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> Math.abs(a[i] - b[i])).max().orElseThrow();
  }

  @Test
  void halvesThatDoNothingAreFoundAndTheRestComputesTheSame() throws IOException {
    try (var original = Checkpoints.open(embedded);
        var wide = Checkpoints.open(widened)) {
      var expected = logits(original);
      assertThat(greatestDifference(logits(wide), expected)).isLessThan(1e-4);
      try (var narrowing =
          narrow(
              wide,
              folder.resolve("halved"),
              false,
              new ArrayList<>(),
              "remove",
              0.5,
              "temperature",
              1e9)) {
        var config = original.config();
        var half = new BlockWidths(config.feedForward(), config.headSize(), config.headSize());
        assertThat(narrowing.blocks()).allMatch(block -> block.widths().equals(half));
        assertThat(narrowing.removed()).isEqualTo(0.5);
        var even = IntStream.range(0, config.headSize() / 2).mapToObj(i -> 2 * i).toList();
        for (int block = 0; block < config.blocks(); block++) {
          var pairs = RotaryPairs.of(narrowing.model(), block).orElseThrow();
          assertThat(pairs.kept()).allMatch(even::equals);
        }
        assertThat(greatestDifference(logits(narrowing.model()), expected)).isLessThan(1e-4);
        var written = write(narrowing.model(), folder.resolve("halved-written"));
        try (var reopened = Checkpoints.open(written)) {
          assertThat(reopened.config().widths()).isEqualTo(narrowing.model().config().widths());
          assertThat(greatestDifference(logits(reopened), expected)).isLessThan(1e-4);
        }
      }
    }
  }

  /** In float32. */
  private static Path write(Checkpoint model, Path directory) {
    var encodings = new HashMap<Address, Encoding>();
    for (var address : model.addresses()) {
      if (!address.isVector(model.architecture())) {
        encodings.put(address, new Encoding.Plain(DType.F32));
      }
    }
    try (var writer = Target.HUGGING_FACE.outline(directory, model, encodings, false).create()) {
      for (var address : model.addresses()) {
        if (address.isVector(model.architecture())) {
          model.vector(address).ifPresent(vector -> writer.write(address, vector));
        } else {
          writer.write(address, model.matrix(address));
        }
      }
      writer.finish();
    }
    return directory;
  }

  @Test
  void everyWeightIsCounted() {
    try (var source = Checkpoints.open(embedded);
        var narrowing =
            narrow(source, folder.resolve("counted"), false, new ArrayList<>(), "remove", 0.2)) {
      long before = weights(source);
      long after = weights(narrowing.model());
      assertThat(narrowing.removed()).isCloseTo(1 - (double) after / before, within(1e-12));
      assertThat(narrowing.removed()).isBetween(0.2, 0.21);
      for (var block : narrowing.blocks()) {
        assertThat(block.influence()).isBetween(0.0, 1.0);
      }
      // Less of what changes the stream more.
      var blocks = new ArrayList<>(narrowing.blocks());
      blocks.sort(java.util.Comparator.comparingDouble(Narrowing.Block::influence));
      assertThat(blocks.getFirst().removed()).isGreaterThan(blocks.getLast().removed());
    }
  }

  private static long weights(Checkpoint model) {
    long weights = 0;
    for (var address : model.addresses()) {
      if (address.block() != Address.OUTSIDE && !address.isVector(model.architecture())) {
        var matrix = model.matrix(address);
        weights += (long) matrix.rows() * matrix.columns();
      }
    }
    return weights;
  }

  @Test
  void whatWasDoneIsNotDoneAgain() throws IOException {
    var directory = folder.resolve("resumed");
    Map<String, byte[]> whole;
    try (var source = Checkpoints.open(embedded)) {
      narrow(source, directory, false, new ArrayList<>(), "remove", 0.3).close();
      whole = files(directory);
      // As if it had been killed in its third block; the influence of all was known.
      Files.delete(directory.resolve("block-2.safetensors"));
      Files.write(directory.resolve("block-3.safetensors"), new byte[] {1, 2, 3});
      var messages = new ArrayList<String>();
      narrow(source, directory, true, messages, "remove", 0.3).close();
      assertThat(messages)
          .containsExactly(
              "note: 2 of 4 blocks are used as an earlier run left them in " + directory);
      var again = files(directory);
      assertThat(again.keySet()).isEqualTo(whole.keySet());
      again.forEach((name, bytes) -> assertThat(bytes).as(name).isEqualTo(whole.get(name)));
      // Of other settings nothing is used.
      messages.clear();
      narrow(source, directory, true, messages, "remove", 0.2).close();
      assertThat(messages).isEmpty();
    }
    assertThat(files(directory).get("block-0.safetensors"))
        .isNotEqualTo(whole.get("block-0.safetensors"));
  }

  private static Map<String, byte[]> files(Path directory) throws IOException {
    var files = new HashMap<String, byte[]>();
    try (var all = Files.list(directory)) {
      for (var file : all.toList()) {
        files.put(file.getFileName().toString(), Files.readAllBytes(file));
      }
    }
    return files;
  }
}
