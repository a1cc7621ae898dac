package ai.lathe.model.hub;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/**
 * Ends a read that no byte comes for: the client's own timeout covers an answer's headers alone.
 * Closing the body from a second thread wakes the reader.
 */
final class StallGuard implements AutoCloseable {

  private final InputStream body;
  private final Thread watch;
  private volatile long readingSince;
  private volatile boolean reading;
  private volatile boolean stalled;

  StallGuard(InputStream body, Duration patience) {
    this.body = body;
    this.watch = Thread.ofVirtual().name("stall guard").start(() -> watch(patience.toNanos()));
  }

  private void watch(long patience) {
    try {
      while (true) {
        Thread.sleep(Duration.ofNanos(patience / 4 + 1));
        if (reading && System.nanoTime() - readingSince > patience) {
          stalled = true;
          body.close();
          return;
        }
      }
    } catch (InterruptedException | IOException e) {
      // The reader is done, or finds out by itself.
    }
  }

  /** The body; a read that waits too long fails. */
  InputStream input() {
    return new FilterInputStream(body) {
      @Override
      public int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
      }

      @Override
      public int read(byte[] bytes, int offset, int length) throws IOException {
        readingSince = System.nanoTime();
        reading = true;
        try {
          int n = body.read(bytes, offset, length);
          if (n < 0 && stalled) {
            throw new IOException("no more bytes come");
          }
          return n;
        } finally {
          reading = false;
        }
      }
    };
  }

  @Override
  public void close() {
    watch.interrupt();
  }
}
