package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.BlockQuantized;
import ai.lathe.tensor.Dense;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Writes a GGUF file of version 3. Everything about it is planned before the first tensor is
 * written, so that tensors can come in any order and never need to be in memory together; the
 * matrices of one of three dimensions come one by one.
 *
 * <p>The file grows beside its target as {@code name.partial} and is moved into place by {@link
 * #finish}. Behind the data stands one byte for each piece (a tensor, or a matrix of one of three
 * dimensions), set by {@link #flush} once that piece's data are durable; {@link #finish} cuts these
 * bytes off. That is how a writer {@linkplain #resume resumes} what a killed process left.
 *
 * <p>Tensors may be written by several threads; the other methods are called by one.
 */
public final class GgufWriter implements AutoCloseable {

  /** In place of the number of a piece: the tensor at once. */
  public static final int WHOLE = -1;

  private static final int CHUNK = 1 << 20;

  private final Path target;
  private final Path partial;
  private final GgufLayout layout;
  private final FileChannel channel;
  private final boolean[] written;
  private boolean durable;
  private boolean finished;

  /**
   * A tensor to come.
   *
   * @param shape outermost dimension first; {@code [out, in]} for a matrix, {@code [n, out, in]}
   *     for {@code n} of them
   */
  public record Planned(String name, long[] shape, Encoding encoding) {

    /** How many are written one by one. */
    int pieces() {
      return shape.length == 3 ? Math.toIntExact(shape[0]) : 1;
    }

    long[] pieceShape() {
      return shape.length == 3 ? Arrays.copyOfRange(shape, 1, 3) : shape;
    }
  }

  private GgufWriter(Path target, GgufLayout layout, FileChannel channel, boolean[] written) {
    this.target = target;
    this.partial = partial(target);
    this.layout = layout;
    this.channel = channel;
    this.written = written;
  }

  /**
   * Begins a file; what an earlier writer left unfinished is discarded.
   *
   * @throws FormatException where the plan is not one that GGUF can hold
   */
  public static GgufWriter create(Path target, GgufMetadata metadata, List<Planned> tensors) {
    var layout = GgufLayout.of(metadata, tensors);
    try {
      var channel =
          FileChannel.open(
              partial(target),
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE,
              StandardOpenOption.TRUNCATE_EXISTING);
      var writer = new GgufWriter(target, layout, channel, new boolean[layout.pieces()]);
      writer.begin();
      return writer;
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  /**
   * Goes on with a file that an earlier writer with the same plan left unfinished after a {@link
   * #flush}; begins it where there is none.
   *
   * @throws LatheException where what is there was begun with another plan
   */
  public static GgufWriter resume(Path target, GgufMetadata metadata, List<Planned> tensors) {
    var partial = partial(target);
    if (!Files.exists(partial)) {
      return create(target, metadata, tensors);
    }
    var layout = GgufLayout.of(metadata, tensors);
    FileChannel channel = null;
    try {
      channel = FileChannel.open(partial, StandardOpenOption.READ, StandardOpenOption.WRITE);
      var header = ByteBuffer.allocate(layout.header().length);
      var done = ByteBuffer.allocate(layout.pieces());
      if (channel.size() != layout.dataEnd() + layout.pieces()
          || !fill(channel, header, 0)
          || !fill(channel, done, layout.dataEnd())
          || !Arrays.equals(header.array(), layout.header())) {
        throw new LatheException(
            partial + " was begun with other settings; remove it, or begin anew without resuming");
      }
      var written = new boolean[layout.pieces()];
      for (int i = 0; i < written.length; i++) {
        written[i] = done.get(i) == 1;
      }
      var writer = new GgufWriter(target, layout, channel, written);
      writer.durable = true;
      return writer;
    } catch (IOException e) {
      closeQuietly(channel);
      throw failed(target, e);
    } catch (LatheException e) {
      closeQuietly(channel);
      throw e;
    }
  }

  private void begin() {
    try {
      write(MemorySegment.ofArray(layout.header()), 0);
      // Sets the length; what is between stays a hole until it is written.
      write(MemorySegment.ofArray(new byte[written.length]), layout.dataEnd());
    } catch (LatheException e) {
      close();
      throw e;
    }
  }

  /** Exact bytes of the finished file. */
  public static long bytes(GgufMetadata metadata, List<Planned> tensors) {
    return GgufLayout.of(metadata, tensors).dataEnd();
  }

  /** Names of the tensors that are in the file, all of their pieces, in planned order. */
  public Set<String> written() {
    var names = new LinkedHashSet<String>();
    for (int i = 0; i < layout.tensors().size(); i++) {
      if (isWritten(i)) {
        names.add(layout.tensors().get(i).name());
      }
    }
    return names;
  }

  /** Writes a tensor of a plain type; type and shape as planned. */
  public void write(String name, Tensor tensor) {
    put(name, WHOLE, new Encoding.Plain(tensor.dtype()), tensor.shape(), tensor.data());
  }

  /** Writes a matrix; encoding and shape as planned. */
  public void write(String name, LinearWeight weight) {
    write(name, WHOLE, weight);
  }

  /** Writes matrix number {@code piece} of a tensor {@code [n, out, in]}, or {@link #WHOLE}. */
  public void write(String name, int piece, LinearWeight weight) {
    switch (weight) {
      case Dense(Tensor tensor) ->
          put(name, piece, new Encoding.Plain(tensor.dtype()), tensor.shape(), tensor.data());
      case BlockQuantized blocks ->
          put(
              name,
              piece,
              blocks.encoding(),
              new long[] {blocks.rows(), blocks.columns()},
              blocks.blocks());
      case LinearWeight other ->
          throw new FormatException(
              "GGUF cannot hold tensor '" + name + "' as " + other.encoding().label());
    }
  }

  private void put(String name, int piece, Encoding encoding, long[] shape, MemorySegment data) {
    int index = layout.index(name);
    var planned = layout.tensors().get(index);
    var expected = piece == WHOLE ? planned.shape() : planned.pieceShape();
    if (!planned.encoding().equals(encoding) || !Arrays.equals(expected, shape)) {
      throw new LatheException(
          "tensor '"
              + name
              + "' was planned as "
              + planned.encoding().label()
              + Arrays.toString(expected)
              + ", and is "
              + encoding.label()
              + Arrays.toString(shape));
    }
    int from = piece == WHOLE ? 0 : Objects.checkIndex(piece, planned.pieces());
    int to = piece == WHOLE ? planned.pieces() : piece + 1;
    write(data, layout.offsets()[index] + from * data.byteSize());
    int first = layout.firstPieces()[index];
    synchronized (written) {
      Arrays.fill(written, first + from, first + to, true);
    }
  }

  /** Makes everything written so far durable. */
  public void flush() {
    try {
      byte[] done = new byte[written.length];
      for (int i = 0; i < done.length; i++) {
        synchronized (written) {
          done[i] = (byte) (written[i] ? 1 : 0);
        }
      }
      channel.force(false);
      write(MemorySegment.ofArray(done), layout.dataEnd());
      channel.force(true);
      durable = true;
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  /**
   * Moves the file into place.
   *
   * @throws LatheException where a planned tensor was never written
   */
  public void finish() {
    for (int i = 0; i < layout.tensors().size(); i++) {
      if (!isWritten(i)) {
        throw new LatheException(
            target + " is not complete: '" + layout.tensors().get(i).name() + "' is missing");
      }
    }
    try {
      channel.force(false);
      channel.truncate(layout.dataEnd());
      channel.force(true);
      channel.close();
      Files.move(
          partial, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      finished = true;
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  /**
   * Leaves the target untouched unless {@link #finish} came first. What {@link #flush} made durable
   * is kept for {@link #resume}; a file that was never flushed is deleted.
   */
  @Override
  public void close() {
    closeQuietly(channel);
    if (!finished && !durable) {
      try {
        Files.deleteIfExists(partial);
      } catch (IOException e) {
        throw failed(target, e);
      }
    }
  }

  /** Whether all pieces of a tensor are there. */
  private boolean isWritten(int index) {
    int first = layout.firstPieces()[index];
    synchronized (written) {
      return IntStream.range(0, layout.tensors().get(index).pieces())
          .allMatch(piece -> written[first + piece]);
    }
  }

  private void write(MemorySegment data, long position) {
    try {
      // Data may stand in an array of floats, which has no byte buffer: it goes through a copy.
      var buffer = ByteBuffer.allocateDirect((int) Math.min(CHUNK, data.byteSize()));
      for (long at = 0; at < data.byteSize(); at += buffer.capacity()) {
        int count = (int) Math.min(buffer.capacity(), data.byteSize() - at);
        buffer.clear().limit(count);
        MemorySegment.ofBuffer(buffer).copyFrom(data.asSlice(at, count));
        for (long to = position + at; buffer.hasRemaining(); ) {
          to += channel.write(buffer, to);
        }
      }
    } catch (IOException e) {
      throw failed(target, e);
    }
  }

  private static boolean fill(FileChannel channel, ByteBuffer buffer, long position)
      throws IOException {
    while (buffer.hasRemaining()) {
      int count = channel.read(buffer, position + buffer.position());
      if (count < 0) {
        return false;
      }
    }
    return true;
  }

  private static Path partial(Path target) {
    return target.resolveSibling(target.getFileName() + ".partial");
  }

  private static LatheException failed(Path target, IOException e) {
    var reason =
        e instanceof NoSuchFileException
            ? "its directory does not exist"
            : e.getMessage() == null ? e.toString() : e.getMessage();
    return new LatheException("cannot write " + target + ": " + reason, e);
  }

  private static void closeQuietly(FileChannel channel) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        // Nothing is lost: what matters was forced before.
      }
    }
  }
}
