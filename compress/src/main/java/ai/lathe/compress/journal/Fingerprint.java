package ai.lathe.compress.journal;

import ai.lathe.format.FormatException;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.config.HuggingFaceConfig;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Everything that decides the bytes of an artifact, as short texts by name ({@code model}, {@code
 * data}, {@code recipe}, ...). Two runs with equal fingerprints write the same artifact.
 */
public record Fingerprint(Map<String, String> parts) {

  public Fingerprint {
    parts = new LinkedHashMap<>(parts);
  }

  /** The name of the first part in which they differ. */
  public Optional<String> difference(Fingerprint other) {
    return parts.keySet().stream()
        .filter(name -> !parts.get(name).equals(other.parts.get(name)))
        .findFirst();
  }

  /**
   * A hash of a model: every name, shape and encoding, the first and the last row of every matrix
   * and all of every vector. It does not read the whole of a large model, yet two models that were
   * trained apart, or differ in any layer, do not agree in it.
   */
  public static String of(Checkpoint model) {
    var digest = sha256();
    // What its own description says: a newer Lathe may know more of a model, and it is the same
    // one.
    var described =
        model.architecture().name() + HuggingFaceConfig.of(model.config(), model.architecture());
    digest.update(described.getBytes(StandardCharsets.UTF_8));
    for (var address : model.addresses()) {
      digest.update(address.toString().getBytes(StandardCharsets.UTF_8));
      if (address.isVector(model.architecture())) {
        model.vector(address).ifPresent(vector -> update(digest, vector.toFloats()));
      } else {
        var matrix = model.matrix(address);
        digest.update(
            (matrix.encoding().label() + matrix.rows() + "x" + matrix.columns())
                .getBytes(StandardCharsets.UTF_8));
        var row = new float[matrix.columns()];
        matrix.decodeRows(0, 1, row, 0);
        update(digest, row);
        matrix.decodeRows(matrix.rows() - 1, matrix.rows(), row, 0);
        update(digest, row);
      }
    }
    return hex(digest);
  }

  /** A hash of a text. */
  public static String ofText(String text) {
    var digest = sha256();
    digest.update(text.getBytes(StandardCharsets.UTF_8));
    return hex(digest);
  }

  /** A hash of a file's bytes. */
  public static String ofFile(Path file) {
    var digest = sha256();
    try (var in = new DigestInputStream(Files.newInputStream(file), digest)) {
      in.transferTo(OutputStream.nullOutputStream());
    } catch (IOException e) {
      throw FormatException.io("cannot read " + file, e);
    }
    return hex(digest);
  }

  /** A hash of token sequences. */
  public static String of(List<int[]> sequences) {
    var digest = sha256();
    for (var sequence : sequences) {
      var bytes = ByteBuffer.allocate(4 + sequence.length * 4);
      bytes.putInt(sequence.length);
      bytes.asIntBuffer().put(sequence);
      digest.update(bytes.array());
    }
    return hex(digest);
  }

  private static void update(MessageDigest digest, float[] values) {
    var bytes = ByteBuffer.allocate(values.length * 4);
    bytes.asFloatBuffer().put(values);
    digest.update(bytes.array());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }

  private static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest(), 0, 16);
  }
}
