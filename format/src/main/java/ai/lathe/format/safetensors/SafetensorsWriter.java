package ai.lathe.format.safetensors;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Writes the files of a {@link SafetensorsPlan} into a directory, a tensor at a time in any order.
 * The files have their full size from the beginning, so a writer that was interrupted after a
 * {@link #flush} can be resumed. It writes where it is told to: whoever wants the result to appear
 * at once gives it a directory beside the target and moves that.
 *
 * <p>Not for several threads.
 */
public final class SafetensorsWriter implements AutoCloseable {

  private static final int CHUNK = 4 << 20;

  private final Path directory;
  private final SafetensorsPlan plan;
  private final Map<String, Slot> slots = new LinkedHashMap<>();
  private final Map<Path, FileChannel> channels = new LinkedHashMap<>();
  private final Set<String> missing = new HashSet<>();
  private final ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK);

  private record Slot(Path file, SafetensorsHeader.Entry entry) {}

  private SafetensorsWriter(Path directory, SafetensorsPlan plan) {
    this.directory = directory;
    this.plan = plan;
    for (var file : plan.files()) {
      var path = directory.resolve(file.name());
      file.header()
          .entries()
          .forEach(
              (name, entry) -> {
                if (slots.put(name, new Slot(path, entry)) != null) {
                  throw new LatheException("two tensors are called '" + name + "'");
                }
              });
    }
    missing.addAll(slots.keySet());
  }

  /**
   * Creates the files at their full size, headers written; the directory exists. Throws {@link
   * LatheException} where the disk has no room for them.
   */
  public static SafetensorsWriter create(Path directory, SafetensorsPlan plan) {
    var writer = new SafetensorsWriter(directory, plan);
    try {
      requireSpace(directory, plan.bytes());
      for (var file : plan.files()) {
        var path = directory.resolve(file.name());
        var channel =
            FileChannel.open(
                path,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE);
        writer.channels.put(path, channel);
        writer.put(channel, 0, MemorySegment.ofArray(file.header().bytes()));
        if (channel.size() < file.bytes()) {
          writer.put(channel, file.bytes() - 1, MemorySegment.ofArray(new byte[1]));
        }
      }
      return writer;
    } catch (IOException e) {
      writer.discard();
      throw FormatException.io("cannot write to " + directory, e);
    } catch (LatheException e) {
      writer.discard();
      throw e;
    }
  }

  /**
   * Opens the files that an interrupted writer with the same plan left. Throws {@link
   * FormatException} where a file is absent or has another header or size.
   *
   * @param written names of the tensors that were durable
   */
  public static SafetensorsWriter resume(
      Path directory, SafetensorsPlan plan, Collection<String> written) {
    var writer = new SafetensorsWriter(directory, plan);
    try {
      for (var file : plan.files()) {
        var path = directory.resolve(file.name());
        var channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        writer.channels.put(path, channel);
        checkHeader(path, channel, file);
      }
      for (var name : written) {
        writer.slot(name);
        writer.missing.remove(name);
      }
      return writer;
    } catch (IOException e) {
      writer.close();
      throw FormatException.io("cannot resume writing to " + directory, e);
    } catch (LatheException e) {
      writer.close();
      throw e;
    }
  }

  private static void checkHeader(Path path, FileChannel channel, SafetensorsPlan.PlannedFile file)
      throws IOException {
    var expected = file.header().bytes();
    var found = ByteBuffer.allocate(expected.length);
    while (found.hasRemaining() && channel.read(found, found.position()) >= 0) {
      // A read may give less than what was asked for.
    }
    if (channel.size() != file.bytes() || !Arrays.equals(expected, found.array())) {
      throw new FormatException(
          path + ": was begun with other tensors than these; writing cannot be resumed");
    }
  }

  private static void requireSpace(Path directory, long bytes) throws IOException {
    long free = Files.getFileStore(directory).getUsableSpace();
    if (free < bytes) {
      throw new LatheException(
          directory
              + ": "
              + bytes
              + " bytes are to be written, but the disk has "
              + free
              + " free");
    }
  }

  /** Writes a tensor of the plan; its type and shape must be those of the plan. */
  public void write(String name, Tensor tensor) {
    var slot = slot(name);
    var given = new TensorInfo(name, tensor.dtype(), tensor.shape());
    if (!given.equals(slot.entry.info())) {
      throw new LatheException("tensor " + given + " was planned as " + slot.entry.info());
    }
    try {
      put(channels.get(slot.file), slot.entry.offset(), tensor.data());
    } catch (IOException e) {
      throw FormatException.io("cannot write '" + name + "' to " + slot.file, e);
    }
    missing.remove(name);
  }

  private Slot slot(String name) {
    var slot = slots.get(name);
    if (slot == null) {
      throw new LatheException("tensor '" + name + "' is not among those planned");
    }
    return slot;
  }

  /** Through a buffer of our own: channels take neither heap memory of other types nor 2 GiB. */
  private void put(FileChannel channel, long at, MemorySegment data) throws IOException {
    for (long done = 0; done < data.byteSize(); ) {
      int count = (int) Math.min(CHUNK, data.byteSize() - done);
      chunk.clear().limit(count);
      MemorySegment.ofBuffer(chunk).copyFrom(data.asSlice(done, count));
      while (chunk.hasRemaining()) {
        done += channel.write(chunk, at + done);
      }
    }
  }

  /** Makes everything written so far durable. */
  public void flush() {
    for (var channel : channels.entrySet()) {
      try {
        channel.getValue().force(false);
      } catch (IOException e) {
        throw FormatException.io("cannot write " + channel.getKey(), e);
      }
    }
  }

  /** Checks that every tensor was written, makes all durable, and writes the index if sharded. */
  public void finish() {
    if (!missing.isEmpty()) {
      var some = missing.stream().sorted().limit(5).toList();
      throw new LatheException(
          missing.size() + " of " + slots.size() + " tensors were not written, among them " + some);
    }
    flush();
    plan.index().ifPresent(index -> Json.write(directory.resolve(Safetensors.INDEX), index));
  }

  /** Closes the files and leaves them, finished or not. */
  @Override
  public void close() {
    for (var channel : channels.entrySet()) {
      try {
        channel.getValue().close();
      } catch (IOException e) {
        throw FormatException.io("cannot close " + channel.getKey(), e);
      }
    }
  }

  /** Closes and deletes the files. */
  public void discard() {
    close();
    for (var path : channels.keySet()) {
      try {
        Files.deleteIfExists(path);
      } catch (IOException e) {
        throw FormatException.io("cannot delete " + path, e);
      }
    }
  }
}
