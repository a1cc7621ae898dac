package ai.lathe.format.imatrix;

import ai.lathe.format.FormatException;
import ai.lathe.format.imatrix.ImportanceMatrix.Entry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;

/**
 * The binary form that llama.cpp wrote until 2025, usually {@code imatrix.dat}, little-endian: the
 * number of entries; for each the length of its name, the name, the number of calls, the number of
 * values, and values as float32 (mean squares times the number of calls); then, in later files, the
 * number of chunks, and the length and the name of the text.
 */
final class LegacyImatrix {

  /** Least bytes of an entry: a name of one byte, one value, three numbers. */
  private static final int LEAST_ENTRY = 1 + 4 + 3 * 4;

  private final Path path;
  private final ByteBuffer in;

  private LegacyImatrix(Path path, ByteBuffer in) {
    this.path = path;
    this.in = in;
  }

  static ImportanceMatrix read(Path path) {
    try (var channel = FileChannel.open(path)) {
      if (channel.size() > Integer.MAX_VALUE) {
        throw new FormatException(path + " is not an importance matrix: it is far too large");
      }
      var file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
      return new LegacyImatrix(path, file.order(ByteOrder.LITTLE_ENDIAN)).read();
    } catch (IOException e) {
      throw FormatException.io("cannot read " + path, e);
    }
  }

  private ImportanceMatrix read() {
    int count = number("the number of entries");
    if (count < 1 || count > in.remaining() / LEAST_ENTRY) {
      throw new FormatException(
          path
              + " is not an importance matrix: neither GGUF nor llama.cpp's older form begins like"
              + " this");
    }
    var entries = new LinkedHashMap<String, Entry>();
    for (int i = 0; i < count; i++) {
      var name = text("the name of entry " + i);
      float calls = Math.max(1, number("the calls of " + name));
      var what = "the values of " + name;
      var values = new float[length(number(what), 4, what)];
      in.asFloatBuffer().get(values);
      in.position(in.position() + 4 * values.length);
      var entry = ImatrixFile.entry(path, name, values, new float[] {calls});
      if (entries.put(name, entry) != null) {
        throw new FormatException(path + " has two entries named '" + name + "'");
      }
    }
    if (!in.hasRemaining()) {
      return new ImportanceMatrix(entries, List.of(), 0, 0);
    }
    int chunks = Math.max(0, number("the number of chunks"));
    var datasets = in.hasRemaining() ? List.of(text("the name of the text")) : List.<String>of();
    return new ImportanceMatrix(entries, datasets, chunks, 0);
  }

  private int number(String what) {
    if (in.remaining() < 4) {
      throw new FormatException(path + " is truncated: it ends within " + what);
    }
    return in.getInt();
  }

  private String text(String what) {
    var bytes = new byte[length(number(what), 1, what)];
    in.get(bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Checked against what is left of the file before anything is allocated. */
  private int length(int claimed, int each, String what) {
    if (claimed < 0 || claimed > in.remaining() / each) {
      throw new FormatException(
          "%s: %s claims %d elements, and %d bytes are left"
              .formatted(path, what, claimed, in.remaining()));
    }
    return claimed;
  }
}
