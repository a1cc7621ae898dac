package ai.lathe.cli;

import ai.lathe.tensor.Progress;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Progress for a terminal: a bar with the time left, wiped when its loop ends. Loops nest; the
 * innermost one has the line.
 */
final class BarProgress implements Progress {

  private static final Duration REFRESH = Duration.ofMillis(200);

  private final PrintStream err;
  private final int columns;
  private final Deque<Bar> open = new ArrayDeque<>();

  BarProgress(PrintStream err, int columns) {
    this.err = err;
    this.columns = columns;
  }

  @Override
  public Task start(String what, long total) {
    var bar = new Bar();
    synchronized (open) {
      open.push(bar);
    }
    bar.shown =
        new ProgressBarBuilder()
            .setTaskName(what)
            .setInitialMax(total)
            .setStyle(ProgressBarStyle.ASCII)
            .setUpdateIntervalMillis((int) REFRESH.toMillis())
            .continuousUpdate()
            .setConsumer(bar)
            .build();
    return bar;
  }

  private final class Bar implements Task, ProgressBarConsumer {

    private ProgressBar shown;

    @Override
    public void advance(long by) {
      shown.stepBy(by);
    }

    @Override
    public void note(String message) {
      shown.setExtraMessage(" " + message);
    }

    @Override
    public int getMaxRenderedLength() {
      return columns - 1;
    }

    @Override
    public void accept(String line) {
      synchronized (open) {
        if (open.peek() == this) {
          err.print('\r' + line);
          err.flush();
        }
      }
    }

    @Override
    public void clear() {
      err.print('\r' + " ".repeat(columns - 1) + '\r');
      err.flush();
    }

    /** Called by the loop that ends and again by the bar that it closes. */
    @Override
    public void close() {
      synchronized (open) {
        if (open.peek() == this) {
          clear();
        }
        if (!open.remove(this)) {
          return;
        }
      }
      shown.close();
    }
  }
}
