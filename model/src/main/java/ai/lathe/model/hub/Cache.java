package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A model's part of the cache, in huggingface_hub's layout:
 *
 * <pre>
 * models--org--name/refs/main                     the commit of a branch or tag
 * models--org--name/blobs/[etag]                  the bytes of a file, once
 * models--org--name/snapshots/[commit]/[file]     a link to the blob
 * .locks/models--org--name/[etag].lock            held by who downloads the blob
 * </pre>
 */
final class Cache {

  /** How a snapshot's file leads to its blob; the first way that the file system allows. */
  enum Link {
    SYMBOLIC,
    HARD,
    COPY
  }

  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final int DEEPEST = 8;
  private static final long LOCK_POLL_MILLIS = 100;

  private final Path cache;
  private final String folder;
  private final List<Link> links;

  Cache(Path cache, ModelId id) {
    this(cache, id, List.of(Link.values()));
  }

  Cache(Path cache, ModelId id, List<Link> links) {
    this.cache = cache;
    this.folder = "models--" + id.organisation() + "--" + id.name();
    this.links = links;
  }

  Path blob(String etag) {
    return cache.resolve(folder).resolve("blobs").resolve(etag);
  }

  /**
   * A blob on its way. The name is Lathe's own: huggingface_hub's locks are of another kind than
   * Java's, so the two must not write to one file.
   */
  Path partial(String etag) {
    return blob(etag + ".lathe.incomplete");
  }

  Path snapshot(String commit) {
    return cache.resolve(folder).resolve("snapshots").resolve(commit);
  }

  /** The commit that a branch or tag was at when it was last downloaded. */
  Optional<String> commit(ModelId id) {
    if (id.pinned()) {
      return Optional.of(id.revision());
    }
    var ref = ref(id);
    try {
      return Files.isRegularFile(ref) && Files.size(ref) < 100
          ? Optional.of(Files.readString(ref, StandardCharsets.ISO_8859_1).strip())
              .filter(COMMIT.asMatchPredicate())
          : Optional.empty();
    } catch (IOException e) {
      throw FormatException.io("cannot read " + ref, e);
    }
  }

  private Path ref(ModelId id) {
    return cache.resolve(folder).resolve("refs").resolve(id.revision());
  }

  /** Notes that a branch or tag is at a commit. A cache that cannot be written stays as it is. */
  void point(ModelId id, String commit) {
    if (id.pinned() || commit(id).equals(Optional.of(commit))) {
      return;
    }
    var ref = ref(id);
    try {
      Files.createDirectories(ref.getParent());
      replace(ref, beside -> Files.writeString(beside, commit));
    } catch (IOException e) {
      throw FormatException.io("cannot write " + ref, e);
    }
  }

  /** The files of a snapshot whose blobs are there; none where there is no such snapshot. */
  Set<String> files(String commit) {
    var snapshot = snapshot(commit);
    if (!Files.isDirectory(snapshot)) {
      return Set.of();
    }
    try (var walk = Files.walk(snapshot, DEEPEST)) {
      return walk.filter(Files::isRegularFile)
          .map(file -> snapshot.relativize(file).toString().replace('\\', '/'))
          .filter(FileNames::safe)
          .collect(Collectors.toUnmodifiableSet());
    } catch (IOException e) {
      throw FormatException.io("cannot read " + snapshot, e);
    }
  }

  /** Makes a snapshot's file lead to a blob. */
  void link(String commit, String file, String etag) {
    var pointer = snapshot(commit).resolve(file);
    var blob = blob(etag);
    try {
      Files.createDirectories(pointer.getParent());
      replace(pointer, beside -> link(beside, blob));
    } catch (IOException e) {
      throw FormatException.io("cannot write " + pointer, e);
    }
  }

  private void link(Path pointer, Path blob) throws IOException {
    var failure = new IOException("no way to link");
    for (var way : links) {
      try {
        switch (way) {
          // Relative, so that the cache can be moved.
          case SYMBOLIC -> Files.createSymbolicLink(pointer, pointer.getParent().relativize(blob));
          case HARD -> Files.createLink(pointer, blob);
          case COPY -> Files.copy(blob, pointer);
        }
        return;
      } catch (IOException | UnsupportedOperationException e) {
        failure = e instanceof IOException io ? io : new IOException(e);
      }
    }
    throw failure;
  }

  private interface Creation {
    void at(Path beside) throws IOException;
  }

  /** Creates a file beside its place and moves it there: other processes may do the same. */
  private static void replace(Path file, Creation creation) throws IOException {
    var beside = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + ".tmp");
    try {
      creation.at(beside);
      Files.move(beside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(beside);
    }
  }

  /**
   * Runs while no other thread or process of Lathe does so for the same blob.
   *
   * @param waiting is run once if it takes a while to begin
   */
  void exclusively(String etag, Runnable waiting, Runnable work) {
    var lock = cache.resolve(".locks").resolve(folder).resolve(etag + ".lock");
    try {
      Files.createDirectories(lock.getParent());
      Files.createDirectories(blob(etag).getParent());
    } catch (IOException e) {
      throw FormatException.io("cannot write to the cache " + cache + " (HF_HOME sets another)", e);
    }
    // One channel until the lock is ours: closing another on the same file would free everyone's.
    try (var channel =
        FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      boolean told = false;
      while (!tryLock(channel)) {
        if (!told) {
          waiting.run();
          told = true;
        }
        Thread.sleep(LOCK_POLL_MILLIS);
      }
      work.run();
    } catch (IOException e) {
      throw FormatException.io("cannot lock " + lock, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LatheException("interrupted while another process downloads", e);
    }
  }

  /** Closing the channel releases the lock. */
  private static boolean tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      return false;
    }
  }
}
