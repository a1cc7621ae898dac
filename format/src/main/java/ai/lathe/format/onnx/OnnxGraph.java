package ai.lathe.format.onnx;

import ai.lathe.format.FormatException;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What is read of an ONNX file: nodes by name and what flows through them, initializers by where
 * their data lie. Data are skipped, not read. Field numbers are those of onnx.proto.
 */
record OnnxGraph(List<Node> nodes, List<Initializer> initializers) {

  record Node(String operator, String name, List<String> inputs, List<String> outputs) {}

  /**
   * @param type a value of TensorProto.DataType
   * @param storage how the values are written
   * @param offset of the values in the file; where there are none, {@code length} is 0
   */
  record Initializer(
      String name, int type, long[] dims, Storage storage, long offset, long length) {}

  /** The field of TensorProto that holds the values. */
  enum Storage {
    /** Little-endian elements. */
    RAW,
    /** Little-endian float32. */
    FLOATS,
    /** Little-endian float64. */
    DOUBLES,
    /** Variable-length integers; those below 64 bits one an element, whatever its size. */
    VARINTS,
    /** In another file. */
    EXTERNAL
  }

  private static final int HIGHEST_RANK = 64;
  private static final int LONGEST_NAME = 64 << 10;

  static OnnxGraph read(MemorySegment file, String where) {
    if (file.byteSize() > Integer.MAX_VALUE) {
      throw new FormatException(
          where + ": " + file.byteSize() + " bytes; an ONNX file has at most 2^31 - 1");
    }
    try {
      return new Reader(CodedInputStream.newInstance(new SegmentStream(file), 1 << 14), where)
          .model();
    } catch (IOException e) {
      throw FormatException.io(where + ": not a valid ONNX file", e);
    }
  }

  private record Reader(CodedInputStream in, String where) {

    OnnxGraph model() throws IOException {
      var graph = new OnnxGraph(new ArrayList<>(), new ArrayList<>());
      boolean found = false;
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        if (isMessage(tag, 7)) {
          int limit = enter();
          graph(graph);
          leave(limit);
          found = true;
        } else {
          in.skipField(tag);
        }
      }
      if (!found) {
        throw new FormatException(where + ": not an ONNX model: it holds no graph");
      }
      return graph;
    }

    private void graph(OnnxGraph graph) throws IOException {
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        if (isMessage(tag, 1)) {
          int limit = enter();
          graph.nodes.add(node());
          leave(limit);
        } else if (isMessage(tag, 5)) {
          int limit = enter();
          graph.initializers.add(initializer());
          leave(limit);
        } else {
          in.skipField(tag);
        }
      }
    }

    private Node node() throws IOException {
      var inputs = new ArrayList<String>(2);
      var outputs = new ArrayList<String>(1);
      var name = "";
      var operator = "";
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        if (isMessage(tag, 1)) {
          inputs.add(name());
        } else if (isMessage(tag, 2)) {
          outputs.add(name());
        } else if (isMessage(tag, 3)) {
          name = name();
        } else if (isMessage(tag, 4)) {
          operator = name();
        } else {
          in.skipField(tag);
        }
      }
      return new Node(operator, name, inputs, outputs);
    }

    private Initializer initializer() throws IOException {
      var dims = new long[HIGHEST_RANK];
      int rank = 0;
      int type = 0;
      var name = "";
      var storage = Storage.RAW;
      long offset = 0;
      int length = 0;
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        int field = WireFormat.getTagFieldNumber(tag);
        boolean message = isMessage(tag, field);
        if (field == 1 && message) {
          int limit = enter();
          while (in.getBytesUntilLimit() > 0) {
            dims[checkRank(rank++)] = in.readInt64();
          }
          leave(limit);
        } else if (field == 1 && isVarint(tag)) {
          dims[checkRank(rank++)] = in.readInt64();
        } else if (field == 2 && isVarint(tag)) {
          type = in.readInt32();
        } else if (field == 8 && message) {
          name = name();
        } else if (field == 14 && isVarint(tag)) {
          storage = in.readInt32() == 1 ? Storage.EXTERNAL : storage;
        } else if (message && data(field) != null) {
          if (length > 0) {
            throw new FormatException(where + ": an initializer has its values in two places");
          }
          length = in.readRawVarint32();
          offset = in.getTotalBytesRead();
          storage = storage == Storage.EXTERNAL ? storage : data(field);
          in.skipRawBytes(length);
        } else if (data(field) != null) {
          throw new FormatException(
              where + ": an initializer's values stand one by one instead of packed");
        } else {
          in.skipField(tag);
        }
      }
      return new Initializer(name, type, Arrays.copyOf(dims, rank), storage, offset, length);
    }

    private static Storage data(int field) {
      return switch (field) {
        case 9 -> Storage.RAW;
        case 4 -> Storage.FLOATS;
        case 10 -> Storage.DOUBLES;
        case 5, 7, 11 -> Storage.VARINTS;
        default -> null;
      };
    }

    private int checkRank(int rank) {
      if (rank >= HIGHEST_RANK) {
        throw new FormatException(
            where + ": an initializer of more than " + HIGHEST_RANK + " dimensions");
      }
      return rank;
    }

    private int enter() throws IOException {
      return in.pushLimit(in.readRawVarint32());
    }

    /** A message must end where it said: the stream takes the end of the file for its end too. */
    private void leave(int limit) throws IOException {
      if (in.getBytesUntilLimit() != 0) {
        throw new FormatException(where + ": not a valid ONNX file: it is truncated");
      }
      in.popLimit(limit);
    }

    private String name() throws IOException {
      int length = in.readRawVarint32();
      if (length < 0 || length > LONGEST_NAME) {
        throw new FormatException(
            where + ": a name of " + Integer.toUnsignedString(length) + " bytes");
      }
      return new String(in.readRawBytes(length), StandardCharsets.UTF_8);
    }

    private static boolean isMessage(int tag, int field) {
      return tag == (field << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED);
    }

    private static boolean isVarint(int tag) {
      return WireFormat.getTagWireType(tag) == WireFormat.WIRETYPE_VARINT;
    }
  }

  /**
   * Reads mapped memory as a stream, so that protobuf neither copies the file nor needs sun.misc's
   * unsafe memory access, and skipping costs nothing.
   */
  private static final class SegmentStream extends InputStream {
    private final MemorySegment segment;
    private long at;

    SegmentStream(MemorySegment segment) {
      this.segment = segment;
    }

    @Override
    public int read() {
      return at == segment.byteSize() ? -1 : segment.get(ValueLayout.JAVA_BYTE, at++) & 255;
    }

    @Override
    public int read(byte[] target, int offset, int length) {
      if (at == segment.byteSize() && length > 0) {
        return -1;
      }
      int count = Math.min(length, available());
      MemorySegment.copy(segment, ValueLayout.JAVA_BYTE, at, target, offset, count);
      at += count;
      return count;
    }

    @Override
    public long skip(long count) {
      long skipped = Math.clamp(count, 0, segment.byteSize() - at);
      at += skipped;
      return skipped;
    }

    @Override
    public int available() {
      return (int) (segment.byteSize() - at);
    }
  }
}
