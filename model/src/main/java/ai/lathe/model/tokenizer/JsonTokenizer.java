package ai.lathe.model.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.model.Tokenizer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/** A {@code tokenizer.json} run by Hugging Face's own library. */
public final class JsonTokenizer implements Tokenizer {

  // The library's Java layer asks for newer native code and reports its use unless told otherwise.
  static {
    setUnlessSet("ai.djl.offline", "true");
    setUnlessSet("OPT_OUT_TRACKING", "true");
  }

  /** Far above any vocabulary; ids index tables. */
  private static final int LARGEST_ID = (1 << 24) - 1;

  private static final Pattern BYTE = Pattern.compile("<0x[0-9A-F]{2}>");

  private final HuggingFaceTokenizer library;
  private final int vocabularySize;
  private final Map<String, Integer> added = new HashMap<>();
  private final BitSet special = new BitSet();
  private final BitSet bytes = new BitSet();

  private JsonTokenizer(HuggingFaceTokenizer library, ObjectNode json, String where) {
    this.library = library;
    this.vocabularySize = size(json);
    for (var token : json.path("added_tokens")) {
      int id = id(token.path("id"), where);
      added.put(token.path("content").asText(), id);
      special.set(id, token.path("special").asBoolean());
    }
    var model = json.path("model");
    if (model.path("byte_fallback").asBoolean()) {
      for (var entry : model.path("vocab").properties()) {
        if (BYTE.matcher(entry.getKey()).matches()) {
          bytes.set(id(entry.getValue(), where));
        }
      }
    }
  }

  /**
   * Loads the native library, which else the first tokenizer does.
   *
   * @throws RuntimeException where it cannot be loaded; {@link #of} says so for people
   */
  public static void loadLibrary() {
    LibUtils.checkStatus();
  }

  private static int id(JsonNode id, String where) {
    if (!id.isInt() || id.intValue() < 0 || id.intValue() > LARGEST_ID) {
      throw new FormatException(
          where + ": a token has id " + id + "; ids are from 0 to " + LARGEST_ID);
    }
    return id.intValue();
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
      return new JsonTokenizer(HuggingFaceTokenizer.newInstance(input, options), json, where);
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
  public String decode(int[] tokens, boolean special) {
    var wide = new long[tokens.length];
    for (int i = 0; i < tokens.length; i++) {
      wide[i] = tokens[i];
    }
    return library.decode(wide, !special);
  }

  @Override
  public OptionalInt id(String token) {
    if (added.containsKey(token)) {
      return OptionalInt.of(added.get(token));
    }
    var ids = encodePlain(token);
    boolean one = ids.length == 1 && decode(ids).equals(token);
    return one ? OptionalInt.of(ids[0]) : OptionalInt.empty();
  }

  @Override
  public boolean isSpecial(int token) {
    return token >= 0 && special.get(token);
  }

  @Override
  public boolean isByte(int token) {
    return token >= 0 && bytes.get(token);
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
