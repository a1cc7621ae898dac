package ai.lathe.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.eval.SentenceSimilarity.Pair;
import ai.lathe.eval.data.ByteTokenizer;
import ai.lathe.model.Pooling;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SentenceSimilarityTest {

  @TempDir Path folder;

  @Test
  void tiesShareTheirMeanRank() {
    assertThat(SentenceSimilarity.ranks(new double[] {3, 1, 3, 2, 3, 1}))
        .containsExactly(5, 1.5, 5, 3, 5, 1.5);
  }

  @Test
  void correlationByHand() {
    // Deviations (-1.5, -.5, .5, 1.5) and (-1, -2, 2, 1): 5 / sqrt(5 * 10).
    assertThat(SentenceSimilarity.pearson(new double[] {1, 2, 3, 4}, new double[] {2, 1, 5, 4}))
        .isCloseTo(5 / Math.sqrt(50), within(1e-15));
    assertThatThrownBy(() -> SentenceSimilarity.pearson(new double[] {1, 1}, new double[] {2, 1}))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("no correlation");
  }

  /** Sentences of one letter, whose embedding is an angle: the nearer the letters, the liker. */
  @Test
  void ofAnEncoderThatKnows() {
    var encoder =
        EmbeddingFidelityTest.encoder(
            2,
            t ->
                t > 255
                    ? new float[2]
                    : new float[] {(float) Math.cos(t / 100.0), (float) Math.sin(t / 100.0)});
    var pairs =
        List.of(
            new Pair("a", "b", 4),
            new Pair("a", "a", 5),
            new Pair("c", "j", 1),
            new Pair("e", "i", 2));
    var right = measure(encoder, pairs);
    assertThat(right.spearman()).isCloseTo(1, within(1e-15));
    assertThat(right.pearson()).isStrictlyBetween(0.8, 1.0);
    assertThat(right.pairs()).isEqualTo(4);
    var turned = pairs.stream().map(p -> new Pair(p.second(), p.first(), -p.score())).toList();
    assertThat(measure(encoder, turned).spearman()).isCloseTo(-1, within(1e-15));
  }

  private static SentenceSimilarity.Result measure(
      EmbeddingFidelityTest.ScriptedEncoder encoder, List<Pair> pairs) {
    return SentenceSimilarity.measure(
        encoder, ByteTokenizer.encoder(), pairs, 64, Pooling.MEAN, Progress.NONE);
  }

  @Test
  void readsTabSeparatedPairs() throws IOException {
    var file = folder.resolve("sts.csv");
    Files.writeString(
        file,
        "news\tx\t2012\t1\t2.500\tA \"man\", here.\tB\n"
            + "news\tx\t2012\t2\t5\tC\tD\tsource\tmore\n");
    assertThat(SentenceSimilarity.read(file))
        .containsExactly(new Pair("A \"man\", here.", "B", 2.5), new Pair("C", "D", 5));
    assertRefused(file, "a\tb\n", "line 1: 2 tab-separated columns");
    assertRefused(file, "a\tb\tc\td\tscore\tA\tB\n", "line 1: the fifth column is no score: score");
    assertRefused(file, "a\tb\tc\td\t1\tA\tB\n", "has 1 pairs; at least 2");
    assertRefused(folder.resolve("none"), null, "cannot be read as sentence pairs");
  }

  private static void assertRefused(Path file, String content, String message) throws IOException {
    if (content != null) {
      Files.writeString(file, content);
    }
    assertThatThrownBy(() -> SentenceSimilarity.read(file))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining(message);
  }

  @Test
  void readsTheDevelopmentSet() {
    var file = SharedData.find("tasks/sts-dev.csv");
    Assumptions.assumeTrue(file.isPresent(), "shared/data/tasks/sts-dev.csv is not here");
    var pairs = SentenceSimilarity.read(file.get());
    assertThat(pairs).hasSize(1500);
    assertThat(pairs.getFirst())
        .isEqualTo(
            new Pair(
                "A man with a hard hat is dancing.", "A man wearing a hard hat is dancing.", 5));
    assertThat(pairs).allMatch(pair -> pair.score() >= 0 && pair.score() <= 5);
  }
}
