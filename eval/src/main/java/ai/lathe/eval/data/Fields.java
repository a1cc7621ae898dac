package ai.lathe.eval.data;

import ai.lathe.tensor.LatheException;
import java.util.Collection;
import java.util.List;

/** What to say where records lack the field that was asked for. */
final class Fields {

  /** Most fields that a message names. */
  static final int NAMED = 12;

  /** Names that data sets give to their texts, the likeliest first. */
  private static final List<String> USUAL =
      List.of("text", "content", "prompt", "sentence", "document", "query", "question", "input");

  private Fields() {}

  /**
   * @param where the file, and the line if there is one
   * @param kind {@code field} or {@code column}
   * @param texts the names of what does hold text
   */
  static LatheException missing(
      String where, String kind, String wanted, Collection<String> texts) {
    var hint =
        USUAL.stream()
            .filter(texts::contains)
            .findFirst()
            .or(() -> texts.stream().findFirst())
            .map(
                name ->
                    "; text is in "
                        + String.join(", ", texts)
                        + " (choose with --field "
                        + name
                        + ")")
            .orElse(", nor any other with text");
    return new LatheException(where + " has no " + kind + " '" + wanted + "'" + hint);
  }
}
