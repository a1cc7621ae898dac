package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.model.EmbeddedModel;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A process that is killed without notice, and one that goes on where it stood. */
class KilledRunTest {

  /** Far more than any of these runs takes, for a machine that does much else. */
  private static final long PATIENCE_SECONDS = 300;

  @TempDir static Path folder;

  private static EmbeddedModel embedded;
  private static Path heldOut;

  @BeforeAll
  static void takeAPart() throws IOException {
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    heldOut = folder.resolve("heldout.txt");
    Files.writeString(heldOut, Files.readString(embedded.heldOut()).substring(0, 8000));
  }

  @Test
  void aDirectoryComesOutAsIfNothingHadHappened() throws Exception {
    killedAtEachPoint("small", "--scheme", "W4A16", "--group-size", "32");
  }

  @Test
  void aGgufFileComesOutAsIfNothingHadHappened() throws Exception {
    killedAtEachPoint("small.gguf", "--gguf", "Q4_K");
  }

  /** Each kill finds the run further on than the one before. */
  private static void killedAtEachPoint(String name, String... scheme) throws Exception {
    // A GGUF file holds its own name, so both have the same one.
    var whole = Files.createDirectory(folder.resolve("whole-" + name)).resolve(name);
    finish(start(whole, false, scheme));
    var directory = Files.createDirectory(folder.resolve("killed-" + name));
    var out = directory.resolve(name);
    var journal = out.resolveSibling(out.getFileName() + ".journal");

    // The fingerprint is there, no step is finished.
    killWhen(() -> lines(journal) == 1, start(out, false, scheme));
    assertThat(lines(journal)).isEqualTo(1);
    // What is outside blocks, then two blocks later.
    killWhen(() -> lines(journal) >= 2, start(out, true, scheme));
    int early = lines(journal);
    killWhen(() -> lines(journal) >= early + 2, start(out, true, scheme));
    assertThat(out).doesNotExist();
    // The artifact is in its place and being measured.
    killWhen(() -> Files.exists(out), start(out, true, scheme));
    assertThat(journal).exists();
    var moved = contents(out);
    finish(start(out, true, scheme));

    assertThat(journal).doesNotExist();
    assertThat(contents(out)).isEqualTo(contents(whole)).isEqualTo(moved);
    assertThat(names(directory)).isEqualTo(names(whole.getParent()));
  }

  private static List<String> names(Path directory) throws IOException {
    try (var files = Files.list(directory)) {
      return files.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  private static Process start(Path out, boolean resume, String... scheme) throws IOException {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // The options of this machine: modules, native access.
    command.addAll(
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
            .filter(argument -> !argument.startsWith("-javaagent"))
            .toList());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of("compress", embedded.directory().toString(), "-o", out.toString()));
    command.addAll(List.of(scheme));
    command.addAll(List.of("--samples", "32", "--seq-len", "128"));
    command.addAll(List.of("--data", embedded.calibration().toString()));
    command.addAll(List.of("--eval-data", heldOut.toString()));
    if (resume) {
      command.add("--resume");
    }
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("OMP_WAIT_POLICY", "passive");
    builder.environment().put("OPENBLAS_THREAD_TIMEOUT", "4");
    builder.redirectOutput(log().toFile());
    return builder.start();
  }

  private static void finish(Process process) throws Exception {
    assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(Files.readString(log())).isZero();
  }

  private static void killWhen(BooleanSupplier point, Process process) throws Exception {
    try {
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (!point.getAsBoolean()) {
        assertThat(process.isAlive()).as(Files.readString(log())).isTrue();
        assertThat(System.nanoTime()).isLessThan(until);
        Thread.sleep(2);
      }
    } finally {
      process.destroyForcibly();
      process.waitFor();
    }
    assertThat(process.exitValue()).as("killed, not finished").isEqualTo(128 + 9);
  }

  private static Path log() {
    return folder.resolve("log.txt");
  }

  /** Complete lines of a journal. */
  private static int lines(Path journal) {
    try {
      return Files.exists(journal)
          ? (int) Files.readString(journal).chars().filter(c -> c == '\n').count()
          : 0;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** Every byte by name, the report aside, which holds times. */
  private static Map<String, String> contents(Path artifact) throws IOException {
    var contents = new TreeMap<String, String>();
    try (Stream<Path> files = Files.walk(artifact)) {
      for (var file : files.filter(Files::isRegularFile).toList()) {
        if (!file.getFileName().toString().startsWith("report.")) {
          contents.put(
              artifact.relativize(file).toString(),
              Base64.getEncoder().encodeToString(Files.readAllBytes(file)));
        }
      }
    }
    return contents;
  }
}
