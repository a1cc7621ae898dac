package ai.lathe.format.onnx;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Writes small ONNX messages for tests, field by field. */
final class OnnxBytes {

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

  private interface Writing {
    void to(CodedOutputStream out) throws IOException;
  }

  private OnnxBytes write(Writing writing) {
    try {
      var out = CodedOutputStream.newInstance(bytes);
      writing.to(out);
      out.flush();
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  OnnxBytes bytes(int field, byte[] value) {
    return write(out -> out.writeByteArray(field, value));
  }

  OnnxBytes text(int field, String value) {
    return bytes(field, value.getBytes(StandardCharsets.UTF_8));
  }

  OnnxBytes message(int field, OnnxBytes value) {
    return bytes(field, value.done());
  }

  OnnxBytes integer(int field, long value) {
    return write(out -> out.writeInt64(field, value));
  }

  OnnxBytes fixed32(int field, int value) {
    return write(out -> out.writeFixed32(field, value));
  }

  OnnxBytes varints(int field, long... values) {
    var packed = new OnnxBytes();
    for (long value : values) {
      packed.write(out -> out.writeUInt64NoTag(value));
    }
    return message(field, packed);
  }

  byte[] done() {
    return bytes.toByteArray();
  }

  static OnnxBytes node(String operator, String name, String output, String... inputs) {
    var node = new OnnxBytes();
    for (var input : inputs) {
      node.text(1, input);
    }
    return node.text(2, output).text(3, name).text(4, operator);
  }

  /** A TensorProto without its values. */
  static OnnxBytes tensor(String name, int type, long... dims) {
    var tensor = new OnnxBytes();
    for (long dim : dims) {
      tensor.integer(1, dim);
    }
    return tensor.integer(2, type).text(8, name);
  }

  static byte[] model(OnnxBytes graph) {
    return new OnnxBytes().integer(1, 8).text(2, "pytorch").message(7, graph).done();
  }
}
