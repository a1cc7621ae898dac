package ai.lathe.compress.calibration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.eval.data.TextData;
import ai.lathe.format.imatrix.ImatrixFile;
import ai.lathe.format.imatrix.ImportanceMatrix;
import ai.lathe.format.imatrix.ImportanceMatrix.Entry;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.EmbeddedModel;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import ai.lathe.torch.HiddenStates;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Importance matrices of the model that comes with Lathe. */
class ImportanceTest {

  private static final int LENGTH = 32;

  @TempDir static Path folder;

  private static Checkpoint model;
  private static List<int[]> sequences;
  private static ImportanceMatrix matrix;

  @BeforeAll
  static void collect() {
    var embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    model = Checkpoints.open(embedded.directory().toString());
    var text = TextData.open(embedded.calibration(), "text");
    var tokenizer = model.tokenizer().orElseThrow();
    sequences =
        Texts.calibration(model.architecture().kind(), tokenizer, text, 5, LENGTH, 0).calibration();
    try (var states = new HiddenStates(sequences, model.config().hidden(), 64, 1L << 30, folder)) {
      matrix =
          ImportanceCalibration.collect(
              model, states, sequences.size(), LENGTH, "some text", Progress.NONE);
    }
  }

  @AfterAll
  static void close() {
    model.close();
  }

  @Test
  void everyMatrixOfEveryBlockHasAnEntry() {
    assertThat(matrix.entries()).hasSize(7 * model.config().blocks());
    assertThat(matrix.chunkCount()).isEqualTo(5);
    assertThat(matrix.chunkSize()).isEqualTo(LENGTH);
    assertThat(matrix.datasets()).containsExactly("some text");
    var entries = matrix.entries();
    for (int block = 0; block < model.config().blocks(); block++) {
      var stem = "blk." + block + ".";
      var query = entries.get(stem + "attn_q.weight").sums();
      assertThat(entries.get(stem + "attn_k.weight").sums()).isEqualTo(query);
      assertThat(entries.get(stem + "attn_v.weight").sums()).isEqualTo(query);
      assertThat(entries.get(stem + "ffn_down.weight").sums()).hasSize(512);
      assertThat(entries.get(stem + "attn_output.weight").counts()).containsExactly(5 * LENGTH);
    }
  }

  /** The first block reads normalised embeddings, which are quickly computed by hand. */
  @Test
  void theSumsAreOfTheSquaresOfWhatIsRead() {
    int n = model.config().hidden();
    var embedding = model.matrix(Address.weight(Role.TOKEN_EMBEDDING)).decode();
    var gain = model.vector(Address.weight(0, Role.ATTENTION_NORM)).orElseThrow().toFloats();
    var sums = new double[n];
    for (var sequence : sequences) {
      for (int token : sequence) {
        double squares = 0;
        for (int j = 0; j < n; j++) {
          squares += Math.pow(embedding.at(token, j), 2);
        }
        double scale = 1 / Math.sqrt(squares / n + 1e-5);
        for (int j = 0; j < n; j++) {
          sums[j] += Math.pow(embedding.at(token, j) * scale * gain[j], 2);
        }
      }
    }
    var collected = matrix.entries().get("blk.0.attn_q.weight").sums();
    for (int j = 0; j < n; j++) {
      assertThat((double) collected[j]).isCloseTo(sums[j], within(1e-4 * sums[j]));
    }
  }

  @Test
  void whatWasWrittenIsKnownOfTheModelsMatrices() {
    var importance = Importance.read(write("own", matrix.entries()), model);
    var down = Address.weight(2, Role.DOWN);
    var sums = matrix.entries().get("blk.2.ffn_down.weight").sums();
    var known = importance.of(down).orElseThrow();
    for (int j = 0; j < sums.length; j++) {
      assertThat(known[j]).isCloseTo(sums[j] / (5 * LENGTH), within(1e-6f * sums[j]));
    }
    assertThat(importance.of(Address.weight(Role.TOKEN_EMBEDDING))).isEmpty();
    var site = down.reads(model.architecture()).orElseThrow();
    assertThat(importance.in(List.of(down), Map.of()).get(site).squaredNorm().orElseThrow())
        .isEqualTo(known);
    assertThat(Importance.NONE.of(down)).isEmpty();
    var measured = Map.of(site, LayerStatistics.NONE);
    assertThat(Importance.NONE.in(List.of(down), measured)).isSameAs(measured);
  }

  @Test
  void aMatrixWithoutAnEntryIsWithoutImportance() {
    var entries = new LinkedHashMap<>(matrix.entries());
    entries.remove("blk.1.attn_q.weight");
    entries.put("blk.1.attn_k.weight", new Entry(new float[256], new float[1]));
    var importance = Importance.read(write("partial", entries), model);
    assertThat(importance.of(Address.weight(1, Role.QUERY))).isEmpty();
    assertThat(importance.of(Address.weight(1, Role.KEY))).isEmpty();
    assertThat(importance.of(Address.weight(1, Role.VALUE))).isPresent();
  }

  @Test
  void thatOfAnotherModelIsRefused() {
    var longer = new LinkedHashMap<>(matrix.entries());
    longer.put("blk.9.attn_q.weight", longer.get("blk.0.attn_q.weight"));
    assertAnother(longer, "it has 'blk.9.attn_q.weight', which this model has not");

    var wider = new LinkedHashMap<>(matrix.entries());
    wider.put("blk.0.attn_q.weight", new Entry(new float[64], new float[] {1}));
    assertAnother(
        wider, "'blk.0.attn_q.weight' has 64 sums of squares and 1 counts there, and 256 inputs");

    var shorter = new LinkedHashMap<>(matrix.entries());
    shorter.keySet().removeIf(name -> name.startsWith("blk.3."));
    assertAnother(shorter, "it has nothing of this model's block 3");
  }

  private static void assertAnother(Map<String, Entry> entries, String why) {
    assertThatThrownBy(() -> Importance.read(write("other", entries), model))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("other.gguf is the importance matrix of another model: " + why)
        .hasMessageNotContaining("\n");
  }

  private static Path write(String name, Map<String, Entry> entries) {
    var path = folder.resolve(name + ".gguf");
    ImatrixFile.write(path, new ImportanceMatrix(entries, List.of(), 1, LENGTH));
    return path;
  }
}
