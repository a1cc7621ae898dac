package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import java.io.IOException;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * A file on a hub.
 *
 * @param name in its repository
 * @param etag its name in the cache, and mostly a checksum of its content
 * @param size in bytes, where the hub says it
 */
record RemoteFile(String name, String etag, OptionalLong size) {

  private static final String LINKED_ETAG = "X-Linked-Etag";
  private static final String LINKED_SIZE = "X-Linked-Size";
  private static final Pattern TAG = Pattern.compile("\\w[\\w.-]{0,199}");

  /**
   * Reads the headers of an answer.
   *
   * @param where names the file in messages
   * @param own whether the answer is the file's own, so that its length is the file's
   */
  static RemoteFile of(HttpHeaders headers, String name, String where, boolean own) {
    var etag =
        headers
            .firstValue(LINKED_ETAG)
            .or(() -> headers.firstValue("ETag"))
            .map(tag -> tag.strip().replaceFirst("^W/", "").replace("\"", ""))
            .orElseThrow(
                () -> new FormatException(where + ": no ETag came; is HF_ENDPOINT a hub?"));
    if (!TAG.matcher(etag).matches()) {
      throw new FormatException(where + ": refused for the unsafe ETag '" + etag + "'");
    }
    var size = size(headers, LINKED_SIZE, where);
    if (size.isEmpty() && own) {
      size = size(headers, "Content-Length", where);
    }
    if (size.isEmpty() && Checksum.of(etag) == Checksum.NONE) {
      throw new FormatException(
          where + ": neither a size nor a checksum came; is HF_ENDPOINT a hub?");
    }
    return new RemoteFile(name, etag, size);
  }

  /**
   * Whether a redirect already says what the file is: the hub's own does, and its storage is a
   * place to fetch from, not to ask.
   *
   * @param leaves whether it leads away from the hub
   */
  static boolean described(HttpHeaders redirect, boolean leaves) {
    return redirect.firstValue(LINKED_ETAG).isPresent()
        || leaves && redirect.firstValue("ETag").isPresent();
  }

  private static OptionalLong size(HttpHeaders headers, String header, String where) {
    var text = headers.firstValue(header);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    // Up to 10 TB, so that the sum over any listing fits a long.
    if (!text.get().matches("\\d{1,13}")) {
      throw new FormatException(where + ": " + header + " is '" + text.get() + "'");
    }
    return OptionalLong.of(Long.parseLong(text.get()));
  }

  /** Whether these are the file's bytes, as far as its tag tells. */
  boolean agrees(Path bytes) throws IOException {
    return Checksum.of(etag).agrees(bytes, etag);
  }

  /**
   * What a file's ETag says about its bytes. The hub names a large file by its SHA-256, and a small
   * one as git does: the SHA-1 of {@code blob <size>}, a zero byte, and the bytes. Other servers'
   * tags say nothing.
   */
  private enum Checksum {
    SHA256("SHA-256", "[0-9a-f]{64}"),
    GIT_BLOB("SHA-1", "[0-9a-f]{40}"),
    NONE(null, ".*");

    private static final int BUFFER = 1 << 16;

    private final String algorithm;
    private final Pattern shape;

    Checksum(String algorithm, String shape) {
      this.algorithm = algorithm;
      this.shape = Pattern.compile(shape);
    }

    static Checksum of(String etag) {
      for (var kind : values()) {
        if (kind.shape.matcher(etag).matches()) {
          return kind;
        }
      }
      return NONE;
    }

    /** Whether a file's bytes are those that the tag names; true where the tag says nothing. */
    boolean agrees(Path file, String etag) throws IOException {
      if (this == NONE) {
        return true;
      }
      MessageDigest digest;
      try {
        digest = MessageDigest.getInstance(algorithm);
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("every Java has " + algorithm, e);
      }
      if (this == GIT_BLOB) {
        digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
      }
      try (var input = Files.newInputStream(file)) {
        var buffer = new byte[BUFFER];
        for (int n = input.read(buffer); n >= 0; n = input.read(buffer)) {
          digest.update(buffer, 0, n);
        }
      }
      return HexFormat.of().formatHex(digest.digest()).equals(etag);
    }
  }
}
