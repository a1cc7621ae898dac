package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The files of a repository that a model needs. Repositories hold the same weights several times
 * over, for other programs: those stay where they are.
 *
 * @param id the model
 * @param files what there is
 * @param beside names of the small files to take along with weights, besides the configuration
 */
record Selection(ModelId id, Set<String> files, Set<String> beside) {

  private static final String CONFIG = "config.json";

  private static final Pattern CHAT_TEMPLATE = Pattern.compile("chat_template\\.[a-z0-9]+");
  private static final Pattern SPLIT = Pattern.compile("(.*)-\\d{5}-of-(\\d{5})\\.gguf");

  /**
   * All but the weights, and the index of sharded weights. Nothing where a GGUF file is named: it
   * holds its own.
   *
   * @throws LatheException where the repository holds no checkpoint, or not the named file
   */
  List<String> companions() {
    if (id.file().isPresent()) {
      return List.of();
    }
    if (!files.contains(Safetensors.SINGLE) && !files.contains(Safetensors.INDEX)) {
      throw noSafetensors();
    }
    if (!files.contains(CONFIG)) {
      throw new FormatException(id + ": the repository holds no " + CONFIG);
    }
    return files.stream()
        .filter(
            name ->
                name.equals(CONFIG)
                    || beside.contains(name)
                    || CHAT_TEMPLATE.matcher(name).matches()
                    || sharded() && name.equals(Safetensors.INDEX))
        .sorted()
        .toList();
  }

  private boolean sharded() {
    return !files.contains(Safetensors.SINGLE);
  }

  private LatheException noSafetensors() {
    var gguf = gguf();
    return new FormatException(
        gguf.isEmpty()
            ? id + ": the repository holds no safetensors; other weights are not read from a hub"
            : id
                + ": the repository holds GGUF files; name one, for example "
                + new ModelId(
                    id.organisation(), id.name(), id.revision(), Optional.of(gguf.getFirst())));
  }

  private List<String> gguf() {
    return files.stream().filter(name -> name.endsWith(".gguf")).sorted().toList();
  }

  /**
   * The files of weights.
   *
   * @param snapshot where the index lies by now, if there is one
   */
  List<String> weights(Path snapshot) {
    if (id.file().isPresent()) {
      return parts(id.file().get());
    }
    return sharded() ? shards(snapshot.resolve(Safetensors.INDEX)) : List.of(Safetensors.SINGLE);
  }

  /** A split GGUF is one model: all of its parts. */
  private List<String> parts(String name) {
    if (!files.contains(name)) {
      throw gguf().isEmpty()
          ? new FormatException(id + ": the repository holds no GGUF files")
          : LatheException.unknown("file in " + id.repository(), name, gguf());
    }
    var split = SPLIT.matcher(name);
    if (!split.matches()) {
      return List.of(name);
    }
    var all =
        Pattern.compile(Pattern.quote(split.group(1)) + "-\\d{5}-of-" + split.group(2) + "\\.gguf");
    var parts = gguf().stream().filter(all.asMatchPredicate()).toList();
    if (parts.size() != Integer.parseInt(split.group(2))) {
      throw new FormatException(
          id + ": " + parts.size() + " of " + split.group(2) + " parts are there");
    }
    return parts;
  }

  private List<String> shards(Path index) {
    var map = Json.read(index).get("weight_map");
    if (map == null || !map.isObject()) {
      throw new FormatException(index + ": 'weight_map' is missing or no object");
    }
    var shards = new LinkedHashSet<String>();
    for (var shard : map) {
      if (!shard.isTextual()) {
        throw new FormatException(index + ": a shard without a name");
      }
      var name = FileNames.check(shard.textValue(), id.toString());
      if (!name.endsWith(".safetensors") || !files.contains(name)) {
        throw new FormatException(
            id + ": the index names the shard '" + name + "', which is not there");
      }
      shards.add(name);
    }
    return shards.stream().sorted().toList();
  }
}
