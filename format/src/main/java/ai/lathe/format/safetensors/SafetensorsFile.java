package ai.lathe.format.safetensors;

import ai.lathe.format.FormatException;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Set;

/** One mapped safetensors file of any size. May be read from several threads. */
public final class SafetensorsFile implements TensorSource {

  private final Path path;
  private final Arena arena;
  private final MemorySegment file;
  private final SafetensorsHeader header;

  private SafetensorsFile(Path path, Arena arena, MemorySegment file, SafetensorsHeader header) {
    this.path = path;
    this.arena = arena;
    this.file = file;
    this.header = header;
  }

  /** Maps a file and checks its header; throws {@link FormatException}. */
  public static SafetensorsFile open(Path path) {
    if (Files.isDirectory(path)) {
      throw new FormatException(path + ": a directory, not a safetensors file");
    }
    var arena = Arena.ofShared();
    try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
      var file = channel.map(MapMode.READ_ONLY, 0, channel.size(), arena);
      return new SafetensorsFile(path, arena, file, SafetensorsHeader.parse(file, path.toString()));
    } catch (IOException e) {
      arena.close();
      throw FormatException.io("cannot read " + path, e);
    } catch (LatheException e) {
      arena.close();
      throw e;
    }
  }

  public Path path() {
    return path;
  }

  /** The free-form {@code __metadata__}; empty where there is none. */
  public Map<String, String> metadata() {
    return header.metadata();
  }

  /** Bytes of the file. */
  public long bytes() {
    return file.byteSize();
  }

  @Override
  public Set<String> names() {
    return header.entries().keySet();
  }

  @Override
  public TensorInfo info(String name) {
    return entry(name).info();
  }

  @Override
  public Tensor tensor(String name) {
    var entry = entry(name);
    var info = entry.info();
    return new Tensor(info.dtype(), info.shape(), file.asSlice(entry.offset(), info.bytes()));
  }

  private SafetensorsHeader.Entry entry(String name) {
    var entry = header.entries().get(name);
    if (entry == null) {
      throw new FormatException(path + ": no tensor '" + name + "'");
    }
    return entry;
  }

  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      arena.close();
    }
  }
}
