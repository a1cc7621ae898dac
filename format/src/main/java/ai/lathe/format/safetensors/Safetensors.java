package ai.lathe.format.safetensors;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.TensorSource;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The tensors of one safetensors file, or of all the shards that an index names. */
public final class Safetensors implements TensorSource {

  /** The file that a directory holds where nothing is sharded. */
  public static final String SINGLE = "model.safetensors";

  /** What lists the shards of a directory. */
  public static final String INDEX = "model.safetensors.index.json";

  private final List<SafetensorsFile> files;
  private final Map<String, SafetensorsFile> owners;

  private Safetensors(List<SafetensorsFile> files, Map<String, SafetensorsFile> owners) {
    this.files = List.copyOf(files);
    this.owners = Collections.unmodifiableMap(owners);
  }

  /**
   * Opens a {@code .safetensors} file, an {@code .index.json} file with its shards, or a directory
   * that holds {@link #SINGLE} or {@link #INDEX}.
   */
  public static Safetensors open(Path path) {
    if (Files.isDirectory(path)) {
      if (Files.exists(path.resolve(SINGLE))) {
        return single(path.resolve(SINGLE));
      }
      if (Files.exists(path.resolve(INDEX))) {
        return sharded(path.resolve(INDEX));
      }
      throw new FormatException(path + ": holds neither " + SINGLE + " nor " + INDEX);
    }
    return path.toString().endsWith(".index.json") ? sharded(path) : single(path);
  }

  private static Safetensors single(Path path) {
    var file = SafetensorsFile.open(path);
    var owners = new LinkedHashMap<String, SafetensorsFile>();
    file.names().forEach(name -> owners.put(name, file));
    return new Safetensors(List.of(file), owners);
  }

  /** Only what the index lists is visible: a tensor that a shard holds besides is nobody's. */
  private static Safetensors sharded(Path index) {
    var shards = new LinkedHashMap<String, SafetensorsFile>();
    var owners = new LinkedHashMap<String, SafetensorsFile>();
    try {
      shardNames(index)
          .forEach(
              (tensor, name) -> {
                var shard = shards.computeIfAbsent(name, absent -> shard(index, name));
                if (!shard.names().contains(tensor)) {
                  throw new FormatException(
                      index + ": tensor '" + tensor + "' is not in its shard " + name);
                }
                owners.put(tensor, shard);
              });
      return new Safetensors(new ArrayList<>(shards.values()), owners);
    } catch (LatheException e) {
      shards.values().forEach(SafetensorsFile::close);
      throw e;
    }
  }

  /** The shard of each tensor, as an index states it; no shard is opened. */
  static Map<String, String> shardNames(Path index) {
    return shardNames(Json.read(index), index.toString());
  }

  static Map<String, String> shardNames(ObjectNode index, String where) {
    var map = index.get("weight_map");
    if (map == null || !map.isObject() || map.isEmpty()) {
      throw new FormatException(where + ": 'weight_map' should list the shard of each tensor");
    }
    var names = new LinkedHashMap<String, String>();
    for (var field : map.properties()) {
      var name = field.getValue().textValue();
      if (name == null || !plainFileName(name)) {
        throw new FormatException(
            where
                + ": tensor '"
                + field.getKey()
                + "' has the shard "
                + field.getValue()
                + ", which is no file name");
      }
      names.put(field.getKey(), name);
    }
    return names;
  }

  /** A shard lies beside its index: a name that leads elsewhere is not followed. */
  private static boolean plainFileName(String name) {
    return name.endsWith(".safetensors")
        && name.length() <= 255
        && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
  }

  private static SafetensorsFile shard(Path index, String name) {
    var path = index.resolveSibling(name);
    if (!Files.exists(path)) {
      throw new FormatException(index + ": its shard " + name + " is missing");
    }
    return SafetensorsFile.open(path);
  }

  /** The mapped files, in the order in which the index first names them. */
  public List<SafetensorsFile> files() {
    return files;
  }

  /** The free-form {@code __metadata__} of the first file. */
  public Map<String, String> metadata() {
    return files.getFirst().metadata();
  }

  @Override
  public Set<String> names() {
    return owners.keySet();
  }

  @Override
  public TensorInfo info(String name) {
    return owner(name).info(name);
  }

  @Override
  public Tensor tensor(String name) {
    return owner(name).tensor(name);
  }

  private SafetensorsFile owner(String name) {
    var owner = owners.get(name);
    if (owner == null) {
      throw new FormatException(files.getFirst().path() + ": no tensor '" + name + "'");
    }
    return owner;
  }

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
