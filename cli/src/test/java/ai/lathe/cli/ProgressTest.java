package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class ProgressTest {

  private final ByteArrayOutputStream written = new ByteArrayOutputStream();
  private final PrintStream err = new PrintStream(written, true, StandardCharsets.UTF_8);

  @Test
  void shortLoopsLeaveNoLines() {
    try (var task = new LineProgress(err).start("blocks", 3)) {
      for (int i = 0; i < 3; i++) {
        task.advance(1);
      }
    }
    assertThat(written.toString(StandardCharsets.UTF_8)).isEmpty();
  }

  @Test
  void aBarShowsItsLoopAndIsWipedAtTheEnd() throws InterruptedException {
    try (var task = new BarProgress(err, 80).start("blocks", 4)) {
      task.advance(3);
      task.note("layer 3");
      await("75%");
    }
    var text = written.toString(StandardCharsets.UTF_8);
    assertThat(text).contains("blocks").contains("75%").endsWith("\r" + " ".repeat(79) + "\r");
    assertThat(text.split("\r")).allMatch(frame -> frame.length() <= 79);
  }

  @Test
  void theInnermostBarHasTheLine() throws InterruptedException {
    var progress = new BarProgress(err, 80);
    try (var outer = progress.start("outer", 2)) {
      try (var inner = progress.start("inner", 2)) {
        written.reset();
        inner.advance(1);
        outer.advance(1);
        await("50%");
        assertThat(written.toString(StandardCharsets.UTF_8))
            .contains("inner")
            .doesNotContain("outer");
      }
      await("outer");
    }
  }

  /** Bars are drawn by a thread of their own, whenever the machine lets it. */
  private void await(String text) throws InterruptedException {
    long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
    while (!written.toString(StandardCharsets.UTF_8).contains(text) && System.nanoTime() < end) {
      Thread.sleep(20);
    }
    assertThat(written.toString(StandardCharsets.UTF_8)).contains(text);
  }
}
