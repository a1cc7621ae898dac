package ai.lathe.model.chat.jinja;

import java.util.List;
import java.util.function.Function;

/** The variable {@code loop}. */
final class Loop implements Callable {

  private final List<?> items;
  private final int depth;

  /** The text of the loop over other items, one deeper; null where it is not recursive. */
  private final Function<Object, Object> recursion;

  private final Operators operators;
  private List<Object> last;
  private int index = -1;

  Loop(List<?> items, int depth, Function<Object, Object> recursion, Operators operators) {
    this.items = items;
    this.depth = depth;
    this.recursion = recursion;
    this.operators = operators;
  }

  void advance() {
    index++;
  }

  Object attribute(String name) {
    int size = items.size();
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) size - index;
      case "revindex0" -> size - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == size - 1;
      case "length" -> (long) size;
      case "depth" -> depth + 1L;
      case "depth0" -> (long) depth;
      case "previtem" ->
          index == 0 ? new Undefined("there is no previous item") : items.get(index - 1);
      case "nextitem" ->
          index == size - 1 ? new Undefined("there is no next item") : items.get(index + 1);
      case "cycle" -> (Callable) this::cycle;
      case "changed" -> (Callable) this::changed;
      default -> new Undefined("'loop' has no attribute '" + name + "'");
    };
  }

  private Object cycle(Arguments arguments) {
    if (arguments.positional().isEmpty()) {
      throw new Failure("no items for cycling given");
    }
    return arguments.positional().get(index % arguments.positional().size());
  }

  private Object changed(Arguments arguments) {
    boolean same = last != null && operators.equal(last, arguments.positional());
    last = arguments.positional();
    return !same;
  }

  @Override
  public Object call(Arguments arguments) {
    if (recursion == null) {
      throw new Failure("the loop must have the 'recursive' marker to be called");
    }
    return recursion.apply(arguments.only("loop", "items").get(0, "items"));
  }
}
