package ai.lathe.compress.journal;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A run's journal: a text file beside the artifact, one JSON object a line. The first line is the
 * run's {@link Fingerprint}; each further line is a finished step with whatever its writer wants
 * back after a restart. A line is only added once what it speaks of is durable, and is itself
 * durable when {@link #append} returns. A last line cut short by a kill is as if never written.
 */
public final class Journal implements AutoCloseable {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final FileChannel channel;
  private final List<JsonNode> steps;

  private Journal(Path file, FileChannel channel, List<JsonNode> steps) {
    this.file = file;
    this.channel = channel;
    this.steps = steps;
  }

  /**
   * Where the journal of an artifact is.
   *
   * @param artifact directory or file that the run writes
   */
  public static Path fileFor(Path artifact) {
    return artifact.resolveSibling(artifact.getFileName() + ".journal");
  }

  /** Starts an empty journal; an older one of the same name is replaced. */
  public static Journal start(Path file, Fingerprint fingerprint) {
    var journal = new Journal(file, open(file), new ArrayList<>());
    try {
      journal.channel.truncate(0);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
    journal.line(JSON.valueToTree(fingerprint.parts()));
    return journal;
  }

  /**
   * Goes on with a journal of this very run; where there is none, or one of another run, starts an
   * empty one.
   */
  public static Journal open(Path file, Fingerprint fingerprint) {
    return isOf(file, fingerprint) ? resume(file, fingerprint) : start(file, fingerprint);
  }

  private static boolean isOf(Path file, Fingerprint fingerprint) {
    try (var lines = Files.lines(file)) {
      var first = lines.findFirst();
      return first.isPresent()
          && JSON.readTree(first.get()).equals(JSON.<JsonNode>valueToTree(fingerprint.parts()));
    } catch (IOException | UncheckedIOException e) {
      return false;
    }
  }

  /**
   * Goes on with an existing journal; refuses one of another model, data or recipe. One without a
   * single whole line is begun.
   */
  public static Journal resume(Path file, Fingerprint fingerprint) {
    if (!Files.isRegularFile(file)) {
      throw new LatheException(
          "nothing to resume: there is no " + file + "; leave --resume out to start");
    }
    var channel = open(file);
    try {
      var lines = completeLines(channel);
      if (lines.isEmpty()) {
        // Killed before the first line was whole: no step can have been finished.
        var journal = new Journal(file, channel, new ArrayList<>());
        journal.line(JSON.valueToTree(fingerprint.parts()));
        return journal;
      }
      Map<String, String> parts =
          JSON.convertValue(
              lines.getFirst(),
              JSON.getTypeFactory().constructMapType(Map.class, String.class, String.class));
      fingerprint
          .difference(new Fingerprint(parts))
          .ifPresent(
              name -> {
                throw new LatheException(
                    "cannot resume: the unfinished run had another "
                        + name
                        + "; run it as it was, or leave --resume out and give --force");
              });
      return new Journal(file, channel, new ArrayList<>(lines.subList(1, lines.size())));
    } catch (IOException | RuntimeException e) {
      closeQuietly(channel);
      throw e instanceof RuntimeException runtime
          ? runtime
          : new LatheException("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  /** Steps finished so far, oldest first. */
  public List<JsonNode> steps() {
    return List.copyOf(steps);
  }

  /** Records a finished step; what it speaks of must be durable already. */
  public void append(Object step) {
    var node = JSON.<JsonNode>valueToTree(step);
    line(node);
    steps.add(node);
  }

  /** The run is over: removes the file. */
  public void delete() {
    close();
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new LatheException("cannot remove " + file + ": " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    closeQuietly(channel);
  }

  private void line(JsonNode node) {
    try {
      channel.position(channel.size());
      var bytes =
          ByteBuffer.wrap((JSON.writeValueAsString(node) + "\n").getBytes(StandardCharsets.UTF_8));
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
  }

  private static FileChannel open(Path file) {
    FileChannel channel = null;
    try {
      Files.createDirectories(file.toAbsolutePath().getParent());
      channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      if (channel.tryLock() == null) {
        throw new OverlappingFileLockException();
      }
      return channel;
    } catch (OverlappingFileLockException e) {
      closeQuietly(channel);
      throw new LatheException("another run is writing this artifact (it holds " + file + ")", e);
    } catch (IOException e) {
      closeQuietly(channel);
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
  }

  /**
   * Parses the lines that end in a newline and cuts off the rest, so that what is appended next
   * stands on a line of its own.
   */
  private static List<JsonNode> completeLines(FileChannel channel) throws IOException {
    channel.position(0);
    var text = new String(Channels.newInputStream(channel).readAllBytes(), StandardCharsets.UTF_8);
    int end = text.lastIndexOf('\n') + 1;
    channel.truncate(text.substring(0, end).getBytes(StandardCharsets.UTF_8).length);
    var lines = new ArrayList<JsonNode>();
    for (var line : text.substring(0, end).lines().toList()) {
      try {
        lines.add(JSON.readTree(line));
      } catch (JsonProcessingException e) {
        throw new LatheException("the journal is damaged; leave --resume out and give --force", e);
      }
    }
    return lines;
  }

  private static void closeQuietly(FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        // Nothing is lost: every line was forced when it was written.
      }
    }
  }
}
