package ai.lathe.model.chat.jinja;

import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.RandomAccess;

/** A list that prints in parentheses. */
final class Tuple extends AbstractList<Object> implements RandomAccess {

  private final Object[] values;

  Tuple(Object... values) {
    this.values = values;
  }

  static Tuple of(List<Object> values) {
    return new Tuple(values.toArray());
  }

  @Override
  public Object get(int index) {
    return values[index];
  }

  @Override
  public int size() {
    return values.length;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Tuple tuple && Arrays.equals(values, tuple.values);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(values);
  }
}
