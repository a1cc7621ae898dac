package ai.lathe.model.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.Tokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.Map;

/** A {@code tokenizer.json} run by Hugging Face's own library. */
public final class JsonTokenizer implements Tokenizer {

  // The library's Java layer asks for newer native code and reports its use unless told otherwise.
  static {
    setUnlessSet("ai.djl.offline", "true");
    setUnlessSet("OPT_OUT_TRACKING", "true");
  }

  private final HuggingFaceTokenizer library;
  private final int vocabularySize;

  private JsonTokenizer(HuggingFaceTokenizer library, int vocabularySize) {
    this.library = library;
    this.vocabularySize = vocabularySize;
  }

  /**
   * Loads it.
   *
   * @param where names its origin in messages
   */
  public static JsonTokenizer of(byte[] tokenizerJson, String where) {
    return of(Json.parse(tokenizerJson, where), where);
  }

  /** Likewise, from a tree; truncation and padding that it asks for are left out. */
  public static JsonTokenizer of(ObjectNode tokenizerJson, String where) {
    var json = tokenizerJson.deepCopy();
    json.putNull("truncation");
    json.putNull("padding");
    // More than any model takes: the library warns about every longer text.
    var options = Map.of("truncation", "false", "padding", "false", "modelMaxLength", "2147483647");
    try {
      var input = new ByteArrayInputStream(Json.print(json));
      return new JsonTokenizer(HuggingFaceTokenizer.newInstance(input, options), size(json));
    } catch (IOException | RuntimeException e) {
      throw new FormatException(
          where
              + ": not a usable tokenizer: "
              + String.valueOf(e.getMessage()).lines().findFirst().orElse(""),
          e);
    } catch (LinkageError e) {
      throw new FormatException(
          "the native tokenizer library cannot be loaded: " + e.getMessage(), e);
    }
  }

  /** One more than the highest id. */
  private static int size(ObjectNode json) {
    int highest = -1;
    var vocabulary = json.path("model").path("vocab");
    if (vocabulary.isArray()) {
      highest = vocabulary.size() - 1;
    } else {
      for (JsonNode id : vocabulary) {
        highest = Math.max(highest, id.asInt());
      }
    }
    for (var token : json.path("added_tokens")) {
      highest = Math.max(highest, token.path("id").asInt());
    }
    return highest + 1;
  }

  @Override
  public int[] encode(String text) {
    return ids(library.encode(text, true, false).getIds());
  }

  @Override
  public int[] encodePlain(String text) {
    return ids(library.encode(text, false, false).getIds());
  }

  private static int[] ids(long[] ids) {
    var narrow = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      narrow[i] = (int) ids[i];
    }
    return narrow;
  }

  @Override
  public String decode(int[] tokens) {
    var wide = new long[tokens.length];
    for (int i = 0; i < tokens.length; i++) {
      wide[i] = tokens[i];
    }
    return library.decode(wide, true);
  }

  @Override
  public int vocabularySize() {
    return vocabularySize;
  }

  @Override
  public void close() {
    library.close();
  }

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
