package ai.lathe.runtime.execution;

import ai.lathe.runtime.kernel.attention.KeyValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Full pages by the tokens that they and all pages before them stand for: a tree in which each step
 * is one page. It holds its pages until somebody needs the memory; then those go first that were
 * not asked for the longest. Callers exclude each other.
 */
final class PrefixIndex {

  private static final int POSITIONS = KeyValueLayout.POSITIONS;

  /** A page's tokens. */
  private record Key(int[] tokens) {

    @Override
    public boolean equals(Object other) {
      return other instanceof Key key && Arrays.equals(tokens, key.tokens);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(tokens);
    }
  }

  /** A page of positions, that is a page of memory for each block. */
  private static final class Node {
    private final Map<Key, Node> next = new HashMap<>();
    private final int[] pages;
    private long asked;

    Node(int[] pages) {
      this.pages = pages;
    }
  }

  private final PagePool pool;
  private final Node root = new Node(new int[0]);
  private long time;
  private int nodes;

  PrefixIndex(PagePool pool) {
    this.pool = pool;
  }

  /** Pages of positions that are held. */
  int size() {
    return nodes;
  }

  /**
   * How many of the first positions of a text are here, whole pages of them.
   *
   * @param pages is given, for each page of positions, the page of each block; not shared yet
   */
  int find(int[] tokens, int most, int[][] pages) {
    var node = root;
    int found = 0;
    while ((found + 1) * POSITIONS <= most) {
      node = node.next.get(key(tokens, found));
      if (node == null) {
        break;
      }
      node.asked = ++time;
      pages[found++] = node.pages;
    }
    return found * POSITIONS;
  }

  /**
   * Holds the first pages of a sequence, those that it has not yet. Stops where the sequence has
   * let go of one that is not here.
   *
   * @param count pages of positions, all full
   */
  void add(int[] tokens, int count, Sequence sequence) {
    var node = root;
    for (int i = 0; i < count; i++) {
      var key = key(tokens, i);
      var next = node.next.get(key);
      if (next == null) {
        var pages = sequence.pagesAt(i);
        if (pages == null) {
          return;
        }
        for (int page : pages) {
          pool.share(page);
        }
        next = new Node(pages);
        node.next.put(key, next);
        nodes++;
      }
      next.asked = ++time;
      node = next;
    }
  }

  private static Key key(int[] tokens, int page) {
    return new Key(Arrays.copyOfRange(tokens, page * POSITIONS, (page + 1) * POSITIONS));
  }

  /**
   * Lets go of the page that was not asked for the longest, among those that no other follows.
   *
   * @return false where nothing is held
   */
  boolean evict() {
    if (nodes == 0) {
      return false;
    }
    var oldest = oldest(root, null);
    oldest.parent().next.remove(oldest.key());
    for (int page : oldest.node().pages) {
      pool.release(page);
    }
    nodes--;
    return true;
  }

  private record Leaf(Node parent, Key key, Node node) {}

  /** The least recent leaf below a node, where it is less recent than another. */
  private static Leaf oldest(Node parent, Leaf other) {
    var oldest = other;
    for (var entry : parent.next.entrySet()) {
      var node = entry.getValue();
      if (!node.next.isEmpty()) {
        oldest = oldest(node, oldest);
      } else if (oldest == null || node.asked < oldest.node().asked) {
        oldest = new Leaf(parent, entry.getKey(), node);
      }
    }
    return oldest;
  }
}
