package ai.lathe.eval.data;

import java.io.Reader;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Texts that are read one after the other; blank ones are passed over. */
abstract class Documents implements Iterator<String>, AutoCloseable {

  private String next;
  private boolean ended;

  /** The next text, blank or not; null at the end. */
  abstract String read();

  @Override
  public abstract void close();

  @Override
  public final boolean hasNext() {
    while (next == null && !ended) {
      next = read();
      ended = next == null;
      if (next != null && next.isBlank()) {
        next = null;
      }
    }
    return next != null;
  }

  @Override
  public final String next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    var text = next;
    next = null;
    return text;
  }

  final Stream<String> stream() {
    int kind = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(this, kind), false)
        .onClose(this::close);
  }

  /** All of them as one text with a blank line between. */
  final Reader joined() {
    return new Reader() {
      private String text = "";
      private int at;
      private boolean first = true;

      @Override
      public int read(char[] target, int offset, int count) {
        if (count == 0) {
          return 0;
        }
        if (at == text.length()) {
          if (!hasNext()) {
            return -1;
          }
          text = first ? Documents.this.next() : "\n\n" + Documents.this.next();
          first = false;
          at = 0;
        }
        int taken = Math.min(count, text.length() - at);
        text.getChars(at, at + taken, target, offset);
        at += taken;
        return taken;
      }

      @Override
      public void close() {
        Documents.this.close();
      }
    };
  }
}
