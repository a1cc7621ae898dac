package ai.lathe.model.chat.jinja;

import java.util.List;

/**
 * What {@code map}, {@code select} and their kin give: Python's generators, which are always true,
 * have no length, and can be gone through once.
 */
final class Generated {

  private List<Object> items;

  Generated(List<Object> items) {
    this.items = items;
  }

  List<Object> take() {
    var taken = items;
    items = List.of();
    return taken;
  }
}
