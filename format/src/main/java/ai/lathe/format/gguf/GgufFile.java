package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A GGUF file, or the files of a split one, memory-mapped. Headers are read and checked when it is
 * opened, data when they are used. Tensors stay valid until it is closed.
 */
public final class GgufFile implements AutoCloseable {

  private static final Pattern SPLIT = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

  private final Path path;
  private final Arena arena;
  private final List<MemorySegment> files;
  private final GgufHeader first;
  private final Map<String, GgufTensor> tensors;

  private GgufFile(
      Path path,
      Arena arena,
      List<MemorySegment> files,
      GgufHeader first,
      Map<String, GgufTensor> tensors) {
    this.path = path;
    this.arena = arena;
    this.files = List.copyOf(files);
    this.first = first;
    this.tensors = Collections.unmodifiableMap(tensors);
  }

  /**
   * Opens a file. Where it is one of a split model ({@code name-00001-of-0000N.gguf}), opens all of
   * them, which stand beside it.
   *
   * @throws FormatException where anything about it is not as GGUF has it
   */
  public static GgufFile open(Path path) {
    var arena = Arena.ofShared();
    try {
      var file = map(path, arena);
      var header = GgufHeader.read(path, file, 0);
      long count = header.metadata().findInteger("split.count").orElse(1);
      return count <= 1
          ? new GgufFile(path, arena, List.of(file), header, index(path, List.of(header)))
          : openSplit(path, arena, count);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  private static GgufFile openSplit(Path path, Arena arena, long count) {
    var name = SPLIT.matcher(path.getFileName().toString());
    if (!name.matches() || Long.parseLong(name.group(3)) != count) {
      throw new FormatException(
          path
              + " is one of "
              + count
              + " files of a split model, and is not named like one (name-00001-of-0000N.gguf)");
    }
    var files = new ArrayList<MemorySegment>();
    var headers = new ArrayList<GgufHeader>();
    for (int i = 0; i < count; i++) {
      var part = path.resolveSibling(partName(name, i));
      var file = map(part, arena);
      var header = GgufHeader.read(part, file, i);
      if (header.metadata().findInteger("split.no").orElse(-1) != i
          || header.metadata().findInteger("split.count").orElse(1) != count) {
        throw new FormatException(
            part + " is not number " + (i + 1) + " of " + count + ", whatever its name says");
      }
      files.add(file);
      headers.add(header);
    }
    var tensors = index(path, headers);
    long expected =
        headers.getFirst().metadata().findInteger("split.tensors.count").orElse(tensors.size());
    if (expected != tensors.size()) {
      throw new FormatException(
          path + ": the split model should have " + expected + " tensors, not " + tensors.size());
    }
    return new GgufFile(path, arena, files, headers.getFirst(), tensors);
  }

  private static String partName(Matcher name, int index) {
    return String.format("%s-%05d-of-%s.gguf", name.group(1), index + 1, name.group(3));
  }

  private static Map<String, GgufTensor> index(Path path, List<GgufHeader> headers) {
    Map<String, GgufTensor> tensors = new LinkedHashMap<>();
    for (var header : headers) {
      for (var tensor : header.tensors()) {
        if (tensors.putIfAbsent(tensor.name(), tensor) != null) {
          throw new FormatException(path + " has two tensors named '" + tensor.name() + "'");
        }
      }
    }
    return tensors;
  }

  private static MemorySegment map(Path path, Arena arena) {
    try (var channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (NoSuchFileException e) {
      throw new LatheException("there is no file " + path, e);
    } catch (IOException e) {
      throw new LatheException("cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  public Path path() {
    return path;
  }

  /** 2 or 3. */
  public int version() {
    return first.version();
  }

  /** Of the first file, where the model is split. */
  public GgufMetadata metadata() {
    return first.metadata();
  }

  /** In file order, by name. Tensors of types that cannot be read are listed too. */
  public Map<String, GgufTensor> tensors() {
    return tensors;
  }

  /** Bytes of all its files. */
  public long bytes() {
    return files.stream().mapToLong(MemorySegment::byteSize).sum();
  }

  public boolean has(String name) {
    return tensors.containsKey(name);
  }

  /** Throws {@link FormatException} where there is no such tensor. */
  public GgufTensor info(String name) {
    var tensor = tensors.get(name);
    if (tensor == null) {
      throw new FormatException(path + " has no tensor '" + name + "'");
    }
    return tensor;
  }

  /** A tensor of a plain type, over the mapped file. */
  public Tensor tensor(String name) {
    var info = info(name);
    if (encoding(info) instanceof Encoding.Plain(DType dtype)) {
      return new Tensor(dtype, info.shape(), data(info));
    }
    throw new FormatException(
        path + ": tensor '" + name + "' is stored in blocks of " + info.type() + ", not plainly");
  }

  /** A matrix {@code [out, in]} as it is stored, over the mapped file. */
  public LinearWeight matrix(String name) {
    var info = info(name);
    var shape = info.shape();
    if (shape.length != 2 || shape[0] > Integer.MAX_VALUE || shape[1] > Integer.MAX_VALUE) {
      throw new FormatException(
          path + ": tensor '" + name + "' of shape " + Arrays.toString(shape) + " is not a matrix");
    }
    return matrix(encoding(info), (int) shape[0], (int) shape[1], data(info));
  }

  /** One of the matrices of a tensor {@code [n, out, in]}, as it is stored. */
  public LinearWeight matrix(String name, int index) {
    var info = info(name);
    var shape = info.shape();
    if (shape.length != 3 || shape[1] > Integer.MAX_VALUE || shape[2] > Integer.MAX_VALUE) {
      throw new FormatException(
          path
              + ": tensor '"
              + name
              + "' of shape "
              + Arrays.toString(shape)
              + " does not hold matrices");
    }
    if (index < 0 || index >= shape[0]) {
      throw new FormatException(
          path + ": tensor '" + name + "' holds " + shape[0] + " matrices, and no " + index);
    }
    long bytes = info.bytes() / shape[0];
    var data = data(info).asSlice(index * bytes, bytes);
    return matrix(encoding(info), (int) shape[1], (int) shape[2], data);
  }

  private static LinearWeight matrix(Encoding encoding, int rows, int columns, MemorySegment data) {
    return switch (encoding) {
      case Encoding.Plain(DType dtype) ->
          new Dense(new Tensor(dtype, new long[] {rows, columns}, data));
      case Encoding.Blocked(BlockType type) -> new BlockQuantized(type, rows, columns, data);
      case Encoding _ -> throw new IllegalStateException("not a GGUF encoding");
    };
  }

  /** Lets go of the memory that a tensor's mapped data have come to occupy; they stay readable. */
  public void release(String name) {
    var info = info(name);
    if (info.bytes() > 0) {
      data(info).unload();
    }
  }

  private Encoding encoding(GgufTensor info) {
    return info.type()
        .encoding()
        .orElseThrow(
            () ->
                new FormatException(
                    path
                        + ": tensor '"
                        + info.name()
                        + "' is stored as "
                        + info.type()
                        + ", which cannot be read yet"));
  }

  private MemorySegment data(GgufTensor info) {
    return files.get(info.file()).asSlice(info.offset(), info.bytes());
  }

  @Override
  public void close() {
    arena.close();
  }
}
