package ai.lathe.bench.runtime;

import java.io.IOException;

/** A foreign process that takes as much of one core as it is given, until it is closed. */
final class BusyProcess implements AutoCloseable {

  private final Process process;

  BusyProcess() throws IOException {
    process = new ProcessBuilder("sh", "-c", "while :; do :; done").start();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
