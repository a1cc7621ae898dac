package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * One model in the cache: contents by checksum in {@code blobs}, links to them by name in {@code
 * snapshots/commit}, what a branch stood at in {@code refs}.
 */
record Repository(Path directory) {

  Path snapshot(String commit) {
    return directory.resolve("snapshots").resolve(commit);
  }

  Path blob(String checksum) {
    return directory.resolve("blobs").resolve(checksum);
  }

  /** The commit that a revision is, as far as known here. */
  Optional<String> commit(String revision) {
    var ref = directory.resolve("refs").resolve(revision);
    try {
      if (Files.isRegularFile(ref)) {
        return Optional.of(Files.readString(ref).strip()).filter(c -> c.matches("[0-9a-f]{40}"));
      }
      return Optional.of(revision).filter(r -> Files.isDirectory(snapshot(r)));
    } catch (IOException e) {
      throw FormatException.io("cannot read " + ref, e);
    }
  }

  void remember(String revision, String commit) {
    if (revision.equals(commit)) {
      return;
    }
    var ref = directory.resolve("refs").resolve(revision);
    try {
      Files.createDirectories(ref.getParent());
      Files.writeString(ref, commit);
    } catch (IOException e) {
      throw FormatException.io("cannot write " + ref, e);
    }
  }

  /** Gives a finished content its name; a copy where the file system has no links. */
  Path link(String commit, String file, String checksum) {
    var link = place(commit, file);
    try {
      Files.createDirectories(link.getParent());
      Files.deleteIfExists(link);
      try {
        return Files.createSymbolicLink(link, link.getParent().relativize(blob(checksum)));
      } catch (IOException | UnsupportedOperationException e) {
        return Files.copy(blob(checksum), link, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw FormatException.io("cannot write " + link, e);
    }
  }

  /** Where a file of a snapshot stands; a name that leads out of it is refused. */
  Path place(String commit, String file) {
    var snapshot = snapshot(commit);
    var place = snapshot.resolve(file).normalize();
    if (file.isEmpty() || file.indexOf('\\') >= 0 || !place.startsWith(snapshot)) {
      throw new LatheException("the hub lists a file with the name '" + file + "'");
    }
    return place;
  }
}
