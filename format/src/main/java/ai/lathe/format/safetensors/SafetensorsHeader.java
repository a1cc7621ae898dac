package ai.lathe.format.safetensors;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The head of one file: 8 bytes of little-endian length, then that much JSON.
 *
 * @param entries by name, in the header's order
 * @param dataStart byte of the file where the data begin
 * @param fileSize bytes of head and data
 */
record SafetensorsHeader(
    Map<String, Entry> entries, Map<String, String> metadata, long dataStart, long fileSize) {

  /** A tensor and where its data begin, counted from the start of the file. */
  record Entry(TensorInfo info, long offset) {}

  /** The format's own limit. */
  static final long LONGEST = 100_000_000;

  private static final int HIGHEST_RANK = 64;
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Reads and checks the head of a file; {@code where} names it in messages. */
  static SafetensorsHeader parse(MemorySegment file, String where) {
    if (file.byteSize() < 8) {
      throw new FormatException(
          where + ": " + file.byteSize() + " bytes are too few for a safetensors file");
    }
    long length = file.get(LONG, 0);
    if (length < 2 || length > file.byteSize() - 8) {
      throw new FormatException(
          where
              + ": the header claims "
              + Long.toUnsignedString(length)
              + " bytes in a file of "
              + file.byteSize());
    }
    if (length > LONGEST) {
      throw new FormatException(
          where + ": a header of " + length + " bytes; at most " + LONGEST + " are allowed");
    }
    var text = file.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
    if (text[0] != '{') {
      throw new FormatException(where + ": the header does not begin with '{'");
    }
    try (var json = Json.parser(text)) {
      return new Reader(json, where, 8 + length, file.byteSize()).header();
    } catch (IOException e) {
      throw Json.malformed(where, e);
    }
  }

  /**
   * The head of a file to be written. Data are laid by decreasing element size (and in the given
   * order among equals), so that every tensor is aligned for its elements.
   */
  static SafetensorsHeader plan(List<TensorInfo> tensors, Map<String, String> metadata) {
    var ordered = new ArrayList<>(tensors);
    ordered.sort(Comparator.comparing(info -> -info.dtype().bits()));
    var relative = lay(ordered, 0);
    long start = 8 + text(relative, metadata).length;
    var entries = lay(ordered, start);
    long data = ordered.stream().mapToLong(TensorInfo::bytes).reduce(0, Math::addExact);
    return new SafetensorsHeader(
        Collections.unmodifiableMap(entries), new TreeMap<>(metadata), start, start + data);
  }

  private static Map<String, Entry> lay(List<TensorInfo> tensors, long start) {
    var entries = new LinkedHashMap<String, Entry>();
    long at = start;
    for (var info : tensors) {
      if (entries.put(info.name(), new Entry(info, at)) != null) {
        throw new LatheException("two tensors are called '" + info.name() + "'");
      }
      at = Math.addExact(at, info.bytes());
    }
    return entries;
  }

  /** The head as it is written, length included. */
  byte[] bytes() {
    var relative = new LinkedHashMap<String, Entry>();
    entries.forEach(
        (name, entry) -> relative.put(name, new Entry(entry.info, entry.offset - dataStart)));
    var text = text(relative, metadata);
    var bytes = new byte[8 + text.length];
    MemorySegment.ofArray(bytes).set(LONG, 0, text.length);
    System.arraycopy(text, 0, bytes, 8, text.length);
    return bytes;
  }

  /** JSON padded with spaces, so that the data start at a multiple of 8. */
  private static byte[] text(Map<String, Entry> relative, Map<String, String> metadata) {
    var out = new ByteArrayOutputStream();
    try (JsonGenerator json = Json.generator(out)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart("__metadata__");
        for (var field : new TreeMap<>(metadata).entrySet()) {
          json.writeStringField(field.getKey(), field.getValue());
        }
        json.writeEndObject();
      }
      for (var entry : relative.values()) {
        var info = entry.info;
        json.writeObjectFieldStart(info.name());
        json.writeStringField("dtype", info.dtype().name());
        json.writeFieldName("shape");
        json.writeArray(info.shape(), 0, info.shape().length);
        json.writeFieldName("data_offsets");
        json.writeArray(new long[] {entry.offset, entry.offset + info.bytes()}, 0, 2);
        json.writeEndObject();
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw new LatheException("a tensor name or metadata cannot be written as UTF-8", e);
    }
    int length = Math.ceilDiv(out.size(), 8) * 8;
    if (length > LONGEST) {
      throw new LatheException(
          "the names of "
              + relative.size()
              + " tensors need a header of "
              + length
              + " bytes; at most "
              + LONGEST
              + " are allowed: write smaller shards");
    }
    var text = Arrays.copyOf(out.toByteArray(), length);
    Arrays.fill(text, out.size(), length, (byte) ' ');
    return text;
  }

  /** One pass over the JSON: no tree, since headers of large models have many entries. */
  private record Reader(JsonParser json, String where, long dataStart, long fileSize) {

    SafetensorsHeader header() throws IOException {
      var entries = new LinkedHashMap<String, Entry>();
      Map<String, String> metadata = Map.of();
      expect(json.nextToken() == JsonToken.START_OBJECT, "an object", "header");
      for (var name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
        if (name.equals("__metadata__")) {
          metadata = metadata();
        } else {
          entries.put(name, entry(name));
        }
      }
      // The parser fails at whatever is not JSON; what is left is to see that nothing follows.
      expect(json.nextToken() == null, "nothing after the closing brace", "header");
      checkLayout(entries);
      return new SafetensorsHeader(
          Collections.unmodifiableMap(entries), metadata, dataStart, fileSize);
    }

    private Map<String, String> metadata() throws IOException {
      var metadata = new LinkedHashMap<String, String>();
      expect(json.nextToken() == JsonToken.START_OBJECT, "an object", "__metadata__");
      for (var key = json.nextFieldName(); key != null; key = json.nextFieldName()) {
        expect(json.nextToken() == JsonToken.VALUE_STRING, "a string", "__metadata__." + key);
        metadata.put(key, json.getText());
      }
      return Collections.unmodifiableMap(metadata);
    }

    private Entry entry(String name) throws IOException {
      DType dtype = null;
      long[] shape = null;
      long[] offsets = null;
      expect(json.nextToken() == JsonToken.START_OBJECT, "an object", name);
      for (var field = json.nextFieldName(); field != null; field = json.nextFieldName()) {
        json.nextToken();
        switch (field) {
          case "dtype" -> dtype = dtype(name);
          case "shape" -> shape = naturals(name + ".shape");
          case "data_offsets" -> offsets = naturals(name + ".data_offsets");
          default ->
              throw new FormatException(
                  where + ": tensor '" + name + "' has a field '" + field + "'");
        }
      }
      expect(dtype != null, "a type", name + ".dtype");
      expect(shape != null, "a shape", name + ".shape");
      expect(offsets != null && offsets.length == 2, "two numbers", name + ".data_offsets");
      var info = new TensorInfo(name, dtype, shape);
      long dataSize = fileSize - dataStart;
      if (offsets[0] > offsets[1] || offsets[1] > dataSize) {
        throw new FormatException(
            where
                + ": tensor '"
                + name
                + "' lies at "
                + Arrays.toString(offsets)
                + " of "
                + dataSize
                + " bytes of data"
                + (offsets[0] > offsets[1] ? "" : "; is the file truncated?"));
      }
      long bytes;
      try {
        bytes = info.bytes();
      } catch (LatheException e) {
        throw new FormatException(where + ": " + e.getMessage(), e);
      }
      if (offsets[1] - offsets[0] != bytes) {
        throw new FormatException(
            where
                + ": tensor "
                + info
                + " needs "
                + bytes
                + " bytes, but its offsets hold "
                + (offsets[1] - offsets[0]));
      }
      return new Entry(info, dataStart + offsets[0]);
    }

    private DType dtype(String name) throws IOException {
      expect(json.currentToken() == JsonToken.VALUE_STRING, "a string", name + ".dtype");
      var text = json.getText();
      for (var dtype : DType.values()) {
        if (dtype.name().equals(text)) {
          return dtype;
        }
      }
      var valid = Arrays.stream(DType.values()).map(DType::name).toList();
      var given = text.substring(0, Math.min(text.length(), 40));
      throw new FormatException(
          where
              + ": tensor '"
              + name
              + "': "
              + LatheException.unknown("type", given, valid).getMessage());
    }

    private long[] naturals(String field) throws IOException {
      expect(json.currentToken() == JsonToken.START_ARRAY, "an array", field);
      var values = new long[HIGHEST_RANK];
      int n = 0;
      while (json.nextToken() != JsonToken.END_ARRAY) {
        expect(json.currentToken() == JsonToken.VALUE_NUMBER_INT, "whole numbers", field);
        expect(n < HIGHEST_RANK, "at most " + HIGHEST_RANK + " numbers", field);
        expect(
            json.getNumberType() != JsonParser.NumberType.BIG_INTEGER && json.getLongValue() >= 0,
            "numbers from 0 to 2^63 - 1",
            field);
        values[n++] = json.getLongValue();
      }
      return Arrays.copyOf(values, n);
    }

    /** Data lie one after the other from the first byte to the last: no gap, no overlap. */
    private void checkLayout(Map<String, Entry> entries) {
      var ordered = new ArrayList<>(entries.values());
      ordered.sort(
          Comparator.comparingLong(Entry::offset).thenComparingLong(entry -> entry.info.bytes()));
      long end = dataStart;
      for (var entry : ordered) {
        if (entry.offset != end) {
          throw new FormatException(
              where
                  + ": tensor '"
                  + entry.info.name()
                  + "' begins at byte "
                  + (entry.offset - dataStart)
                  + " of the data, "
                  + (entry.offset < end ? "inside the one before it" : "after a gap")
                  + " (expected "
                  + (end - dataStart)
                  + ")");
        }
        end += entry.info.bytes();
      }
      if (end != fileSize) {
        throw new FormatException(
            where + ": " + (fileSize - end) + " bytes of data belong to no tensor");
      }
    }

    private void expect(boolean condition, String expected, String field) {
      if (!condition) {
        throw new FormatException(where + ": expected " + expected + " in '" + field + "'");
      }
    }
  }
}
