package ai.lathe.cli;

import ai.lathe.tensor.Progress;
import java.io.PrintStream;
import java.time.Duration;

/** Progress for logs: a line every ten seconds, and one at the end of whatever took that long. */
record LineProgress(PrintStream err) implements Progress {

  private static final long EVERY = Duration.ofSeconds(10).toNanos();

  @Override
  public Task start(String what, long total) {
    return new Lines(what, total);
  }

  private final class Lines implements Task {

    private final String what;
    private final long total;
    private final long began = System.nanoTime();
    private long printed = began;
    private long done;
    private String note = "";

    Lines(String what, long total) {
      this.what = what;
      this.total = total;
    }

    @Override
    public synchronized void advance(long by) {
      done += by;
      long now = System.nanoTime();
      if (now - printed >= EVERY) {
        printed = now;
        err.println(line(now));
      }
    }

    @Override
    public synchronized void note(String message) {
      note = message;
    }

    @Override
    public synchronized void close() {
      long now = System.nanoTime();
      if (now - began >= EVERY) {
        err.println(what + ": done in " + Durations.of(now - began));
      }
    }

    private String line(long now) {
      var line = new StringBuilder(what).append(": ").append(done);
      if (total > 0) {
        line.append('/').append(total).append(" (").append(100 * done / total).append("%)");
        if (done > 0 && done < total) {
          long left = (long) ((double) (now - began) / done * (total - done));
          line.append(", about ").append(Durations.of(left)).append(" left");
        }
      }
      return note.isEmpty() ? line.toString() : line.append("; ").append(note).toString();
    }
  }
}
