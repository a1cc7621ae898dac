package ai.lathe.format.safetensors;

import ai.lathe.format.Json;
import ai.lathe.format.TensorInfo;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What will be written, byte for byte except for the data: the files, their headers, where every
 * tensor goes. The same tensors and metadata give the same plan.
 *
 * @param files in order of their shard number
 */
public record SafetensorsPlan(List<PlannedFile> files) {

  /** The shard size that Hugging Face uses: 5 GB. */
  public static final long SHARD_BYTES = 5_000_000_000L;

  /** One file of the plan, named relative to the directory. */
  public record PlannedFile(String name, List<TensorInfo> tensors, SafetensorsHeader header) {

    /** Bytes of the file, header included. */
    public long bytes() {
      return header.fileSize();
    }
  }

  /** All tensors in one file of this name. */
  public static SafetensorsPlan single(
      String fileName, List<TensorInfo> tensors, Map<String, String> metadata) {
    return new SafetensorsPlan(List.of(file(fileName, tensors, metadata)));
  }

  /**
   * {@code model.safetensors} if the data fit {@code shardBytes}, else numbered shards filled in
   * the given order. A tensor larger than that gets a shard of its own.
   */
  public static SafetensorsPlan sharded(
      List<TensorInfo> tensors, Map<String, String> metadata, long shardBytes) {
    var shards = new ArrayList<List<TensorInfo>>();
    shards.add(new ArrayList<>());
    long filled = 0;
    for (var tensor : tensors) {
      long bytes = tensor.bytes();
      if (filled > 0 && bytes > shardBytes - filled) {
        shards.add(new ArrayList<>());
        filled = 0;
      }
      shards.getLast().add(tensor);
      filled = Math.addExact(filled, bytes);
    }
    if (shards.size() == 1) {
      return single(Safetensors.SINGLE, tensors, metadata);
    }
    var files = new ArrayList<PlannedFile>();
    for (int i = 0; i < shards.size(); i++) {
      var name = "model-%05d-of-%05d.safetensors".formatted(i + 1, shards.size());
      files.add(file(name, shards.get(i), metadata));
    }
    return new SafetensorsPlan(List.copyOf(files));
  }

  private static PlannedFile file(
      String name, List<TensorInfo> tensors, Map<String, String> metadata) {
    return new PlannedFile(name, List.copyOf(tensors), SafetensorsHeader.plan(tensors, metadata));
  }

  /** Exact bytes of everything that will be written: data, headers and index. */
  public long bytes() {
    long files = this.files.stream().mapToLong(PlannedFile::bytes).reduce(0, Math::addExact);
    return files + index().map(index -> (long) Json.print(index).length).orElse(0L);
  }

  /** The index of a sharded plan. */
  Optional<ObjectNode> index() {
    if (files.size() == 1) {
      return Optional.empty();
    }
    var index = Json.object();
    long data = 0;
    var shards = new TreeMap<String, String>();
    for (var file : files) {
      data += file.bytes() - file.header.dataStart();
      file.tensors.forEach(tensor -> shards.put(tensor.name(), file.name));
    }
    index.putObject("metadata").put("total_size", data);
    var map = index.putObject("weight_map");
    shards.forEach(map::put);
    return Optional.of(index);
  }
}
