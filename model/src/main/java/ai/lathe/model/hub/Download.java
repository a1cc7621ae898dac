package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Files of one commit, each continued where it was cut off and checked before it gets its name. */
record Download(
    HubClient client, HubName name, String commit, Repository repository, Progress progress) {

  private static final int ATTEMPTS = 5;
  private static final int CHUNK = 1 << 20;

  /** The file, downloaded unless it is there. */
  Path file(String file) {
    var place = repository.place(commit, file);
    if (Files.exists(place)) {
      return place;
    }
    var path =
        Stream.of(file.split("/"))
            .map(part -> URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"))
            .collect(Collectors.joining("/"));
    var at = client.at("/" + name.repository() + "/resolve/" + commit + "/" + path);
    var head = client.send("HEAD", at, 0, false);
    HubClient.close(head);
    var checksum = checksum(head, at);
    long size =
        number(
            head,
            "x-linked-size",
            head.statusCode() >= 300 ? -1 : number(head, "content-length", -1));
    if (!Files.exists(repository.blob(checksum))) {
      fetch(at, file, checksum, size);
    }
    return repository.link(commit, file, checksum);
  }

  /** Hugging Face's ETag is a SHA-256 for large files, a git blob's SHA-1 for small ones. */
  private static String checksum(HttpResponse<?> head, URI at) {
    var tag =
        head.headers()
            .firstValue("x-linked-etag")
            .or(() -> head.headers().firstValue("etag"))
            .map(value -> value.replaceFirst("^W/", "").replace("\"", ""))
            .orElse("");
    if (!tag.matches("[0-9a-f]{40}|[0-9a-f]{64}")) {
      throw new FormatException(at + ": the hub gives no checksum");
    }
    return tag;
  }

  private static long number(HttpResponse<?> head, String header, long otherwise) {
    var value = head.headers().firstValue(header).orElse("");
    return value.matches("[0-9]{1,18}") ? Long.parseLong(value) : otherwise;
  }

  private void fetch(URI at, String file, String checksum, long size) {
    var blob = repository.blob(checksum);
    var incomplete = blob.resolveSibling(checksum + ".incomplete");
    try (var task = progress.start(file, size)) {
      Files.createDirectories(blob.getParent());
      for (int attempt = 1; ; attempt++) {
        try {
          append(at, incomplete, size, task);
          break;
        } catch (IOException e) {
          if (attempt == ATTEMPTS) {
            throw new LatheException(
                at + ": the connection was cut " + ATTEMPTS + " times; run again to go on", e);
          }
        }
      }
      verify(incomplete, checksum, at);
      Files.move(incomplete, blob, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw FormatException.io("cannot write " + incomplete, e);
    }
  }

  private void append(URI at, Path incomplete, long size, Progress.Task task) throws IOException {
    long have = Files.exists(incomplete) ? Files.size(incomplete) : 0;
    if (have > 0 && have == size) {
      return;
    }
    var response = client.send("GET", at, have, true);
    boolean continued = response.statusCode() == 206;
    long total = continued ? have : 0;
    task.advance(total);
    try (var body = response.body();
        var out =
            Files.newOutputStream(
                incomplete,
                StandardOpenOption.CREATE,
                continued ? StandardOpenOption.APPEND : StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE)) {
      var buffer = new byte[CHUNK];
      for (int count; (count = body.read(buffer)) >= 0; total += count) {
        out.write(buffer, 0, count);
        task.advance(count);
      }
    }
    if (size >= 0 && total < size) {
      throw new IOException("ended early");
    }
  }

  /** A file that is not what it should be is thrown away: going on with it would not help. */
  private static void verify(Path file, String checksum, URI at) throws IOException {
    boolean sha256 = checksum.length() == 64;
    try (var input = Files.newInputStream(file)) {
      var digest = MessageDigest.getInstance(sha256 ? "SHA-256" : "SHA-1");
      if (!sha256) {
        digest.update(("blob " + Files.size(file) + "\0").getBytes(StandardCharsets.US_ASCII));
      }
      var buffer = new byte[CHUNK];
      for (int count; (count = input.read(buffer)) >= 0; ) {
        digest.update(buffer, 0, count);
      }
      if (HexFormat.of().formatHex(digest.digest()).equals(checksum)) {
        return;
      }
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-1 and SHA-256", e);
    }
    Files.delete(file);
    throw new LatheException(at + ": what came has another checksum than the hub says; try again");
  }
}
