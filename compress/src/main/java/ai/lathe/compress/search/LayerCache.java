package ai.lathe.compress.search;

import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.torch.HeldLinear;
import ai.lathe.torch.Precision;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Decoded layers by level, the least recently used let go where memory ends. */
final class LayerCache implements AutoCloseable {

  private record Key(Address address, Optional<String> level) {}

  private final Checkpoint original;
  private final LevelStore store;
  private final Precision precision;
  private final long limit;
  private final Map<Key, HeldLinear> held = new LinkedHashMap<>(16, 0.75f, true);
  private final Set<Key> used = new HashSet<>();
  private long bytes;

  LayerCache(Checkpoint original, LevelStore store, Precision precision, long limit) {
    this.original = original;
    this.store = store;
    this.precision = precision;
    this.limit = limit;
  }

  /**
   * A layer, which stays until {@link #letGo} whatever else is asked for.
   *
   * @param level empty for what is no unit's
   */
  HeldLinear get(Address address, Optional<String> level) {
    var key = new Key(address, level);
    used.add(key);
    var layer = held.get(key);
    if (layer == null) {
      layer = HeldLinear.of(weight(address, level), precision);
      held.put(key, layer);
      bytes += layer.bytes();
      shrink();
    }
    return layer;
  }

  /** A layer as it is stored. */
  LinearWeight weight(Address address, Optional<String> level) {
    return level.map(name -> store.weight(address, name)).orElseGet(() -> original.matrix(address));
  }

  /** What was asked for is in use no more. */
  void letGo() {
    used.clear();
    shrink();
  }

  private void shrink() {
    var oldest = held.entrySet().iterator();
    while (bytes > limit && oldest.hasNext()) {
      var entry = oldest.next();
      if (!used.contains(entry.getKey())) {
        bytes -= entry.getValue().bytes();
        entry.getValue().close();
        oldest.remove();
      }
    }
  }

  long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    held.values().forEach(HeldLinear::close);
    held.clear();
  }
}
