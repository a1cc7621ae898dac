package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.torch.States;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.function.ObjIntConsumer;

/**
 * Runs many allocations over one chunk of text, depth first: each stage that several have in common
 * is run once. The branch with the most allocations comes last, when its parent's states are no
 * longer needed; so the states held at a time grow with the logarithm of the number of allocations.
 */
final class PrefixTree {

  /** One stage of one model. */
  interface Step {
    /**
     * @param stage of {@link Stages}
     * @param input states after the stage before; null before stage 0
     */
    States run(Allocation allocation, int stage, States input);
  }

  private final Stages stages;
  private final StateCache cache;
  private final int batch;
  private final int chunk;
  private final Step step;

  PrefixTree(Stages stages, StateCache cache, int batch, int chunk, Step step) {
    this.stages = stages;
    this.cache = cache;
    this.batch = batch;
    this.chunk = chunk;
    this.step = step;
  }

  /**
   * @param consumer is given the states after the last block with the index of each allocation, in
   *     no certain order, and may not keep them
   */
  void run(List<Allocation> allocations, ObjIntConsumer<States> consumer) {
    cache.nextRun();
    for (var allocation : allocations) {
      for (int stage = 0; stage <= stages.last(); stage++) {
        cache.touch(key(allocation, stage));
      }
    }
    var all = new ArrayList<Integer>();
    for (int i = 0; i < allocations.size(); i++) {
      all.add(i);
    }
    branches(null, -1, all, allocations, consumer);
  }

  private StateCache.Key key(Allocation allocation, int stage) {
    return new StateCache.Key(batch, chunk, stage, stages.prefix(allocation, stage));
  }

  private void branches(
      Node parent,
      int stage,
      List<Integer> members,
      List<Allocation> allocations,
      ObjIntConsumer<States> consumer) {
    var groups = new LinkedHashMap<StateCache.Key, List<Integer>>();
    for (int member : members) {
      groups
          .computeIfAbsent(key(allocations.get(member), stage + 1), _ -> new ArrayList<>())
          .add(member);
    }
    var branches = new ArrayList<>(groups.entrySet());
    branches.sort(Comparator.comparingInt(branch -> branch.getValue().size()));
    for (var branch : branches) {
      if (parent != null) {
        parent.wanted = branch != branches.getLast();
      }
      var inside = branch.getValue();
      try (var node = new Node(parent, branch.getKey(), allocations.get(inside.getFirst()))) {
        if (stage + 1 < stages.last()) {
          branches(node, stage + 1, inside, allocations, consumer);
        } else {
          inside.forEach(member -> consumer.accept(node.states(), member));
        }
      }
    }
  }

  /** A stage of some allocations; its states are computed only where the cache has none deeper. */
  private final class Node implements AutoCloseable {
    private final Node parent;
    private final StateCache.Key key;
    private final Allocation allocation;
    private boolean wanted = true;
    private States states;

    Node(Node parent, StateCache.Key key, Allocation allocation) {
      this.parent = parent;
      this.key = key;
      this.allocation = allocation;
    }

    States states() {
      if (states == null) {
        states = cache.take(key).orElse(null);
      }
      if (states == null) {
        states = step.run(allocation, key.stage(), parent == null ? null : parent.states());
      }
      if (parent != null && !parent.wanted) {
        parent.close();
      }
      return states;
    }

    @Override
    public void close() {
      if (states != null) {
        cache.put(key, states);
        states = null;
      }
    }
  }
}
