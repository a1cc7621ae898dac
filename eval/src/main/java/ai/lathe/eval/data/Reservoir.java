package ai.lathe.eval.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A uniform random sample of a stream of unknown length (Algorithm R of Vitter, "Random Sampling
 * with a Reservoir", 1985). {@link Random} is specified to the bit, so a seed gives the same sample
 * everywhere.
 */
final class Reservoir<T> {

  private final int capacity;
  private final Random random;
  private final List<T> items = new ArrayList<>();
  private long offered;

  Reservoir(int capacity, Random random) {
    this.capacity = capacity;
    this.random = random;
  }

  /** A generator for a seed, scrambled (murmur3's finalizer): those of near seeds begin alike. */
  static Random random(long seed) {
    long mixed = seed + 0x9E3779B97F4A7C15L;
    mixed = (mixed ^ mixed >>> 33) * 0xFF51AFD7ED558CCDL;
    mixed = (mixed ^ mixed >>> 33) * 0xC4CEB9FE1A85EC53L;
    return new Random(mixed ^ mixed >>> 33);
  }

  void offer(T item) {
    offered++;
    if (items.size() < capacity) {
      items.add(item);
      return;
    }
    long place = (long) (random.nextDouble() * offered);
    if (place < capacity) {
      items.set((int) place, item);
    }
  }

  /** Those that were kept, in no particular order. */
  List<T> items() {
    return items;
  }

  /** How many there were to choose from. */
  long offered() {
    return offered;
  }

  /** Those that were kept, in random order. */
  List<T> shuffled() {
    shuffle(items, random);
    return items;
  }

  /** Fisher and Yates. */
  static <T> void shuffle(List<T> list, Random random) {
    for (int i = list.size() - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      list.set(j, list.set(i, list.get(j)));
    }
  }
}
