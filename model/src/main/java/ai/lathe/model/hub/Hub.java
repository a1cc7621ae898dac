package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * Brings models here. The cache has huggingface_hub's layout, so that both use each other's files:
 * {@code models--org--name/{refs,blobs,snapshots}}.
 */
public final class Hub {

  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final String CONFIG = "config.json";

  private final HubSettings settings;
  private final Set<String> companions;

  /**
   * A hub.
   *
   * @param companions names of the small files that a model may have beside its weights
   */
  public Hub(HubSettings settings, List<String> companions) {
    this.settings = settings;
    this.companions = Set.copyOf(companions);
  }

  /**
   * The directory of a model, or the one file that its name asks for; downloads what is not there
   * yet, and only what Lathe reads.
   *
   * @throws LatheException in one line where the model cannot be had
   */
  public Path get(HubName name, Progress progress) {
    var repository =
        new Repository(settings.cache().resolve("models--" + name.repository().replace("/", "--")));
    if (settings.offline()) {
      return cached(name, repository, "HF_HUB_OFFLINE is set");
    }
    try (var client = new HubClient(settings)) {
      return download(name, repository, client, progress);
    } catch (HubClient.Unreachable e) {
      if (repository.commit(name.revision()).isPresent()) {
        return cached(name, repository, e.getMessage());
      }
      throw e;
    }
  }

  private static Path cached(HubName name, Repository repository, String why) {
    var commit =
        repository
            .commit(name.revision())
            .orElseThrow(
                () -> new LatheException(name.repository() + " is not in the cache, and " + why));
    var snapshot = repository.snapshot(commit);
    var path = name.file().map(snapshot::resolve).orElse(snapshot);
    boolean complete =
        name.file().isPresent()
            ? Files.exists(path)
            : Files.exists(path.resolve(CONFIG)) && weights(path);
    if (!complete) {
      throw new LatheException(name.repository() + " is not whole in the cache, and " + why);
    }
    return path;
  }

  private static boolean weights(Path snapshot) {
    if (!Files.exists(snapshot.resolve(INDEX))) {
      return Files.exists(snapshot.resolve(SINGLE));
    }
    return shards(Json.read(snapshot.resolve(INDEX))).stream()
        .allMatch(shard -> Files.exists(snapshot.resolve(shard)));
  }

  private Path download(HubName name, Repository repository, HubClient client, Progress progress) {
    var info = info(name, client);
    var commit = info.path("sha").asText();
    if (!commit.matches("[0-9a-f]{40}")) {
      throw new FormatException(name.repository() + ": the hub names no commit");
    }
    var present = new TreeSet<String>();
    info.path("siblings").forEach(file -> present.add(file.path("rfilename").asText()));
    var download = new Download(client, name, commit, repository, progress);
    if (name.file().isPresent()) {
      require(present, name.file().get()::equals, name.file().get(), name);
      var path = download.file(name.file().get());
      repository.remember(name.revision(), commit);
      return path;
    }
    require(present, CONFIG::equals, CONFIG, name);
    require(present, Set.of(SINGLE, INDEX)::contains, SINGLE, name);
    var small = present.stream().filter(f -> f.equals(CONFIG) || companions.contains(f)).toList();
    small.forEach(download::file);
    var snapshot = repository.snapshot(commit);
    if (present.contains(SINGLE)) {
      download.file(SINGLE);
    } else {
      var index = Json.read(download.file(INDEX));
      var shards = shards(index);
      shards.forEach(shard -> require(present, shard::equals, shard, name));
      shards.forEach(download::file);
    }
    repository.remember(name.revision(), commit);
    return snapshot;
  }

  private ObjectNode info(HubName name, HubClient client) {
    var at =
        client.at(
            "/api/models/"
                + name.repository()
                + "/revision/"
                + name.revision().replace("/", "%2F"));
    var response = client.send("GET", at, 0, true);
    try (var body = response.body()) {
      return Json.parse(body.readNBytes((int) Json.LARGEST_FILE), at.toString());
    } catch (IOException e) {
      throw new HubClient.Unreachable("cannot read " + at + ": " + e.getMessage(), e);
    }
  }

  private static void require(
      Set<String> present, Predicate<String> wanted, String what, HubName name) {
    if (present.stream().noneMatch(wanted)) {
      throw new LatheException(name.repository() + " has no " + what);
    }
  }

  private static List<String> shards(ObjectNode index) {
    var shards = new TreeSet<String>();
    index.path("weight_map").forEach(shard -> shards.add(shard.asText()));
    return new ArrayList<>(shards);
  }
}
