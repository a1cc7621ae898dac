package ai.lathe.runtime.kernel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * The input of linear layers, {@code [tokens, columns]} float32, with the forms that kernels make
 * of it. One object serves many inputs, one after the other; the memory of forms is kept.
 */
public final class Input {

  private final Workers workers;
  private final List<Made<?>> forms = new ArrayList<>();
  private MemorySegment values;
  private int tokens;
  private int columns;
  private long version;

  private static final class Made<F extends InputForm> {
    final InputForm.Kind<F> kind;
    final F form;
    long version = -1;

    Made(InputForm.Kind<F> kind) {
      this.kind = kind;
      this.form = kind.create().get();
    }
  }

  public Input(Workers workers) {
    this.workers = workers;
  }

  /** Another input; also where the values of the same memory have changed. */
  public void set(MemorySegment newValues, int newTokens, int newColumns) {
    values = newValues;
    tokens = newTokens;
    columns = newColumns;
    version++;
  }

  /** Float32, row-major without gaps. */
  public MemorySegment values() {
    return values;
  }

  public int tokens() {
    return tokens;
  }

  public int columns() {
    return columns;
  }

  public Workers workers() {
    return workers;
  }

  /** The form of the present values, made where it is not yet. For the owning thread. */
  public <F extends InputForm> F form(InputForm.Kind<F> kind) {
    var made = find(kind);
    if (made == null) {
      made = new Made<>(kind);
      forms.add(made);
    }
    if (made.version != version) {
      made.form.make(values, tokens, columns, workers);
      made.version = version;
    }
    return made.form;
  }

  /** The form that {@link #form} has made of the present values. For any thread. */
  public <F extends InputForm> F made(InputForm.Kind<F> kind) {
    var made = find(kind);
    if (made == null || made.version != version) {
      throw new IllegalStateException("no " + kind.name() + " was made of this input");
    }
    return made.form;
  }

  @SuppressWarnings("unchecked") // A kind is found only where it is the same object.
  private <F extends InputForm> Made<F> find(InputForm.Kind<F> kind) {
    for (int i = 0; i < forms.size(); i++) {
      if (forms.get(i).kind == kind) {
        return (Made<F>) forms.get(i);
      }
    }
    return null;
  }
}
