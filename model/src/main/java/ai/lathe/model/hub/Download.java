package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.regex.Pattern;

/**
 * One file's way from a hub to its blob in the cache: resumed, retried, checked, moved in place.
 */
final class Download {

  private static final int BUFFER = 1 << 17;
  private static final Pattern RANGE = Pattern.compile("bytes (\\d{1,18})-.*");

  private final Transport transport;
  private final HubSettings settings;
  private final ModelId id;
  private final String commit;
  private final RemoteFile file;
  private final Path part;
  private final Path blob;
  private final Progress.Task task;
  private long told;

  Download(
      Transport transport,
      HubSettings settings,
      ModelId id,
      String commit,
      RemoteFile file,
      Cache cache,
      Progress.Task task) {
    this.transport = transport;
    this.settings = settings;
    this.id = id;
    this.commit = commit;
    this.file = file;
    this.part = cache.partial(file.etag());
    this.blob = cache.blob(file.etag());
    this.task = task;
  }

  /** Returns when the blob is there, and right. The caller holds the blob's lock. */
  void run() {
    try {
      if (!Files.exists(blob)) {
        receiveAll();
        check();
        Files.move(part, blob, StandardCopyOption.ATOMIC_MOVE);
      }
      tell(Files.size(blob));
    } catch (IOException e) {
      throw FormatException.io(where() + ": cannot write " + part + kept(), e);
    }
  }

  /** Ends when all bytes are there; where their number is unknown, when an answer has ended. */
  private void receiveAll() throws IOException {
    long furthest = 0;
    int failures = 0;
    while (file.size().isEmpty() || length() != file.size().getAsLong()) {
      Transport.Unavailable failure;
      try {
        boolean ended = receive(length());
        if (ended && file.size().isEmpty()) {
          return;
        }
        failure = new Transport.Unavailable("the connection was closed early", true, null);
      } catch (Transport.Unavailable e) {
        failure = e;
      }
      if (file.size().isPresent() && length() == file.size().getAsLong()) {
        return;
      }
      failures = length() > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, length());
      if (!failure.soon() || failures >= Transport.ATTEMPTS) {
        throw new LatheException(where() + ": " + failure.getMessage() + kept(), failure);
      }
      transport.pause(failures);
    }
    if (length() == 0) {
      Files.write(part, new byte[0]);
    }
  }

  /** Appends what one answer brings; false where it cannot be appended and all begins anew. */
  private boolean receive(long from) throws IOException {
    var response = transport.open(id, commit, file.name(), from);
    try (var body = response.body();
        var guard = new StallGuard(body, settings.patience())) {
      long start = start(response, from);
      try (var channel =
          FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        channel.truncate(Math.max(start, 0));
        if (start < 0) {
          return false;
        }
        append(guard.input(), channel.position(start));
        channel.force(true);
      }
      return true;
    }
  }

  /** Where an answer's bytes begin; negative where the server does not go on from there. */
  private static long start(HttpResponse<?> response, long from) {
    if (response.statusCode() == 200) {
      return 0;
    }
    var range = RANGE.matcher(response.headers().firstValue("Content-Range").orElse(""));
    return response.statusCode() == 206 && range.matches() && Long.parseLong(range.group(1)) == from
        ? from
        : -1;
  }

  private void append(InputStream input, FileChannel channel) throws IOException {
    var buffer = new byte[BUFFER];
    for (int n = read(input, buffer); n >= 0; n = read(input, buffer)) {
      if (file.size().isPresent() && channel.position() + n > file.size().getAsLong()) {
        Files.delete(part);
        throw new FormatException(
            where() + ": more bytes come than the announced " + file.size().getAsLong());
      }
      var bytes = ByteBuffer.wrap(buffer, 0, n);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      tell(channel.position());
    }
  }

  /** Failures to read are the network's, and pass; failures to write are the disk's. */
  private static int read(InputStream input, byte[] buffer) {
    try {
      return input.read(buffer);
    } catch (IOException e) {
      throw new Transport.Unavailable("the connection broke off", true, e);
    }
  }

  private void check() throws IOException {
    task.note("checking " + file.name());
    if (!file.agrees(part)) {
      Files.delete(part);
      throw new FormatException(
          where()
              + ": its bytes do not have the checksum "
              + file.etag()
              + "; the download was removed, run again to fetch it anew");
    }
  }

  private long length() throws IOException {
    if (!Files.exists(part)) {
      return 0;
    }
    long length = Files.size(part);
    if (file.size().isPresent() && length > file.size().getAsLong()) {
      Files.delete(part);
      return 0;
    }
    return length;
  }

  /** A restarted download counts no byte twice. */
  private void tell(long position) {
    if (position > told) {
      task.advance(position - told);
      told = position;
    }
  }

  private String kept() {
    try {
      long length = length();
      return length == 0
          ? ""
          : "; "
              + length
              + (file.size().isPresent() ? " of " + file.size().getAsLong() : "")
              + " bytes are kept, run again to resume";
    } catch (IOException e) {
      return "";
    }
  }

  private String where() {
    return id.repository() + ": " + file.name();
  }
}
