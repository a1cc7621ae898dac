package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Downloads models from a hub into the cache that huggingface_hub uses, and finds them there.
 *
 * <p>Only what a model needs is downloaded: its configuration, its tokenizer and its safetensors,
 * or the GGUF file that is named. Every file is resumed where an earlier attempt ended, compared
 * with its checksum, and moved into place when it is whole. Safe for use by several threads and
 * processes.
 */
public final class Hub {

  private static final Logger LOG = LoggerFactory.getLogger(Hub.class);

  private final HubSettings settings;
  private final Set<String> companions;
  private final Progress progress;

  /**
   * A hub.
   *
   * @param companions names of the small files that a model may have beside its weights; {@code
   *     config.json} and chat templates always come along
   * @param progress is told of every download, in bytes
   */
  public Hub(HubSettings settings, Collection<String> companions, Progress progress) {
    this.settings = settings;
    this.companions = Set.copyOf(companions);
    this.progress = progress;
  }

  /**
   * The directory that holds the model, or the GGUF file where the name has one. Asks the hub where
   * the revision is now, unless offline; where the hub cannot be reached, what the cache holds of
   * the revision does.
   *
   * @throws LatheException in one line where the model cannot be had: it does not exist, it is
   *     private or gated, the network or the disk fails, or it is not in the cache while offline
   */
  public Path snapshot(ModelId id) {
    var cache = new Cache(settings.cache(), id);
    if (settings.offline()) {
      return cached(cache, id).orElseThrow(() -> absent(id, "HF_HUB_OFFLINE is set"));
    }
    try (var transport = new Transport(settings)) {
      Revision revision;
      try {
        revision = transport.revision(id);
      } catch (Transport.Unavailable e) {
        var path = cached(cache, id).orElseThrow(() -> absent(id, e.getMessage()));
        LOG.warn("{}: {}; the copy in the cache is used", id, e.getMessage());
        return path;
      }
      return new Fetch(transport, cache, id, revision).run();
    }
  }

  private LatheException absent(ModelId id, String why) {
    return new LatheException(
        id + ": not (or not wholly) in the cache " + settings.cache() + ", and " + why);
  }

  /** The model as the cache has it, if it has all of it. */
  private Optional<Path> cached(Cache cache, ModelId id) {
    var commit = cache.commit(id);
    if (commit.isEmpty()) {
      return Optional.empty();
    }
    var snapshot = cache.snapshot(commit.get());
    var selection = new Selection(id, cache.files(commit.get()), companions);
    try {
      selection.companions();
      selection.weights(snapshot);
    } catch (LatheException e) {
      LOG.debug("{}: incomplete in the cache", id, e);
      return Optional.empty();
    }
    return Optional.of(path(snapshot, id));
  }

  private static Path path(Path snapshot, ModelId id) {
    return id.file().map(snapshot::resolve).orElse(snapshot);
  }

  /** One download of one revision. */
  private final class Fetch {

    private final Transport transport;
    private final Cache cache;
    private final ModelId id;
    private final Revision revision;
    private final Set<String> present;

    Fetch(Transport transport, Cache cache, ModelId id, Revision revision) {
      this.transport = transport;
      this.cache = cache;
      this.id = id;
      this.revision = revision;
      this.present = cache.files(revision.commit());
    }

    Path run() {
      var snapshot = cache.snapshot(revision.commit());
      var selection = new Selection(id, revision.files(), companions);
      fetch(selection.companions(), Json.LARGEST_FILE);
      fetch(selection.weights(snapshot), Long.MAX_VALUE);
      cache.point(id, revision.commit());
      return path(snapshot, id);
    }

    /**
     * @param largest size of any of the files, in bytes
     */
    private void fetch(List<String> names, long largest) {
      var missing = new ArrayList<RemoteFile>();
      long total = 0;
      for (var name : names) {
        if (!present.contains(name)) {
          var file = transport.describe(id, revision.commit(), name);
          long size = file.size().orElse(0);
          if (size > largest) {
            throw new FormatException(
                id + ": " + name + " has " + size + " bytes; at most " + largest + " are read");
          }
          total += size;
          missing.add(file);
        }
      }
      if (missing.isEmpty()) {
        return;
      }
      checkSpace(missing);
      try (var task = progress.start("download " + id.repository() + " (bytes)", total)) {
        for (var file : missing) {
          task.note(file.name());
          cache.exclusively(
              file.etag(),
              () -> task.note(file.name() + ": waiting for another download of it"),
              () ->
                  new Download(transport, settings, id, revision.commit(), file, cache, task)
                      .run());
          cache.link(revision.commit(), file.name(), file.etag());
        }
      }
    }

    /** Refuses before the first byte what cannot end well. */
    private void checkSpace(List<RemoteFile> files) {
      try {
        long needed = 0;
        for (var file : files) {
          if (!Files.exists(cache.blob(file.etag()))) {
            var part = cache.partial(file.etag());
            long there = Files.exists(part) ? Files.size(part) : 0;
            needed += Math.max(0, file.size().orElse(0) - there);
          }
        }
        Files.createDirectories(settings.cache());
        long free = Files.getFileStore(settings.cache()).getUsableSpace();
        if (needed > free) {
          throw new LatheException(
              "%s: %d bytes are missing, but only %d are free in %s; HF_HOME sets another place"
                  .formatted(id, needed, free, settings.cache()));
        }
      } catch (IOException e) {
        throw FormatException.io(id + ": cannot use the cache " + settings.cache(), e);
      }
    }
  }
}
