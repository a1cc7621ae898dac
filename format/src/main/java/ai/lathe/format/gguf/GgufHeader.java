package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of one file, parsed and checked: everything before the data.
 *
 * @param dataStart first byte of the data; offsets in the file count from here
 */
record GgufHeader(int version, GgufMetadata metadata, List<GgufTensor> tensors, long dataStart) {

  static final int MAGIC = 0x46554747;
  static final int VERSION = 3;
  static final String ALIGNMENT = "general.alignment";
  static final long DEFAULT_ALIGNMENT = 32;

  /** What ggml can address. */
  private static final int MAX_DIMENSIONS = 4;

  /** Least bytes of a key-value: length of an empty key, type, one byte. */
  private static final long LEAST_ENTRY = 8 + 4 + 1;

  /** Least bytes of a tensor's info: length of an empty name, no dimensions, type, offset. */
  private static final long LEAST_TENSOR = 8 + 4 + 4 + 8;

  static GgufHeader read(Path path, MemorySegment file, int fileIndex) {
    var in = new GgufReader(path, file);
    if (file.byteSize() < 4 || in.u32("magic") != MAGIC) {
      throw new FormatException(path + " is not a GGUF file: it does not begin with 'GGUF'");
    }
    int version = in.u32("version");
    if (version != 2 && version != VERSION) {
      throw new FormatException(
          path
              + (Integer.reverseBytes(version) >= 1 && Integer.reverseBytes(version) <= VERSION
                  ? " is a big-endian GGUF file; only little-endian ones can be read"
                  : " is GGUF version "
                      + Integer.toUnsignedString(version)
                      + "; versions 2 and 3 can be read"));
    }
    long tensorCount = in.count("tensors", LEAST_TENSOR);
    long entryCount = in.count("metadata entries", LEAST_ENTRY);
    var metadata = metadata(path, in, entryCount);
    long alignment = metadata.findInteger(ALIGNMENT).orElse(DEFAULT_ALIGNMENT);
    if (Long.bitCount(alignment) != 1 || alignment < 0) {
      throw new FormatException(path + ": the alignment must be a power of two, not " + alignment);
    }
    var tensors = new ArrayList<GgufTensor>();
    var names = new HashSet<String>();
    for (long i = 0; i < tensorCount; i++) {
      var tensor = tensor(path, in, fileIndex, alignment);
      if (!names.add(tensor.name())) {
        throw new FormatException(
            path + " has two tensors named '" + GgufReader.shown(tensor.name()) + "'");
      }
      tensors.add(tensor);
    }
    long dataStart = align(in.position(), alignment);
    return new GgufHeader(
        version,
        metadata,
        List.copyOf(place(path, tensors, dataStart, file.byteSize())),
        dataStart);
  }

  private static GgufMetadata metadata(Path path, GgufReader in, long count) {
    Map<String, GgufValue> values = new LinkedHashMap<>();
    for (long i = 0; i < count; i++) {
      var key = in.string("a metadata key");
      if (values.putIfAbsent(key, in.value(key)) != null) {
        throw new FormatException(
            path + " has the metadata key '" + GgufReader.shown(key) + "' twice");
      }
    }
    return new GgufMetadata(path.toString(), values);
  }

  /** With the offset as the file has it. */
  private static GgufTensor tensor(Path path, GgufReader in, int fileIndex, long alignment) {
    var name = in.string("a tensor's name");
    int dimensions = in.u32("the dimensions of " + GgufReader.shown(name));
    if (dimensions < 0 || dimensions > MAX_DIMENSIONS) {
      throw new FormatException(
          path
              + ": tensor '"
              + GgufReader.shown(name)
              + "' has "
              + Integer.toUnsignedString(dimensions)
              + " dimensions, and the most is "
              + MAX_DIMENSIONS);
    }
    var shape = new long[dimensions];
    for (int d = dimensions - 1; d >= 0; d--) {
      shape[d] = in.i64("a dimension of " + GgufReader.shown(name));
    }
    var type = GgmlType.of(in.u32("the type of " + GgufReader.shown(name)));
    long offset = in.i64("the offset of " + GgufReader.shown(name));
    if (offset < 0 || offset % alignment != 0) {
      throw new FormatException(
          path
              + ": tensor '"
              + GgufReader.shown(name)
              + "' begins at byte "
              + Long.toUnsignedString(offset)
              + " of the data, which is not a multiple of the alignment "
              + alignment);
    }
    return new GgufTensor(name, type, shape, fileIndex, offset, bytes(path, name, type, shape));
  }

  private static long bytes(Path path, String name, GgmlType type, long[] shape) {
    long elements = 1;
    for (long dimension : shape) {
      if (dimension < 0 || dimension > 0 && elements > Long.MAX_VALUE / dimension) {
        throw new FormatException(
            path
                + ": tensor '"
                + GgufReader.shown(name)
                + "' has an impossible shape "
                + Arrays.toString(shape));
      }
      elements *= dimension;
    }
    if (!type.known()) {
      return 0;
    }
    long row = shape.length == 0 ? 1 : shape[shape.length - 1];
    if (row % type.blockSize() != 0) {
      throw new FormatException(
          path
              + ": tensor '"
              + GgufReader.shown(name)
              + "' has rows of "
              + row
              + ", which is not a multiple of the "
              + type.blockSize()
              + " of a block of "
              + type);
    }
    long blocks = elements / type.blockSize();
    if (blocks > Long.MAX_VALUE / type.blockBytes()) {
      throw new FormatException(
          path
              + ": tensor '"
              + GgufReader.shown(name)
              + "' has an impossible shape "
              + Arrays.toString(shape));
    }
    return blocks * type.blockBytes();
  }

  /** Makes offsets absolute; nothing may lie outside the file or over another tensor. */
  private static List<GgufTensor> place(
      Path path, List<GgufTensor> tensors, long dataStart, long fileSize) {
    var placed = new ArrayList<GgufTensor>();
    for (var t : tensors) {
      if (dataStart > fileSize - t.bytes() || t.offset() > fileSize - t.bytes() - dataStart) {
        throw new FormatException(
            path
                + " is truncated: tensor '"
                + GgufReader.shown(t.name())
                + "' needs "
                + t.bytes()
                + " bytes at "
                + t.offset()
                + " of the data, and the file has "
                + fileSize
                + " bytes, "
                + Math.max(0, fileSize - dataStart)
                + " of them data");
      }
      placed.add(
          new GgufTensor(
              t.name(), t.type(), t.shape(), t.file(), dataStart + t.offset(), t.bytes()));
    }
    var byOffset = new ArrayList<>(placed);
    byOffset.removeIf(t -> t.bytes() == 0);
    byOffset.sort(Comparator.comparingLong(GgufTensor::offset));
    for (int i = 1; i < byOffset.size(); i++) {
      var before = byOffset.get(i - 1);
      var after = byOffset.get(i);
      if (after.offset() < before.offset() + before.bytes()) {
        throw new FormatException(
            path
                + ": tensors '"
                + GgufReader.shown(before.name())
                + "' and '"
                + GgufReader.shown(after.name())
                + "' overlap");
      }
    }
    return placed;
  }

  static long align(long position, long alignment) {
    return Math.addExact(position, alignment - 1) & -alignment;
  }
}
