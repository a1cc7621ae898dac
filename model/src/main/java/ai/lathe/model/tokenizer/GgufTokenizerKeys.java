package ai.lathe.model.tokenizer;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.tokenizer.GgufVocabulary.TokenType;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/** A {@code tokenizer.json} as the keys of a GGUF file: {@link GgufVocabulary} the other way. */
public final class GgufTokenizerKeys {

  private static final String PREFIX = GgufVocabulary.PREFIX;
  private static final String WHERE = "tokenizer.json";

  private final ObjectNode json;
  private final ObjectNode settings;
  private final ModelConfig config;
  private final GgufMetadata.Builder metadata;
  private final String[] tokens;
  private final long[] types;
  private final Map<String, Integer> ids = new HashMap<>();

  private GgufTokenizerKeys(
      ObjectNode json, ObjectNode settings, ModelConfig config, GgufMetadata.Builder metadata) {
    this.json = json;
    this.settings = settings;
    this.config = config;
    this.metadata = metadata;
    this.tokens = new String[config.vocabulary()];
    this.types = new long[config.vocabulary()];
  }

  /**
   * Adds them, or what says that there is no vocabulary where there is no {@code tokenizer.json}.
   *
   * @param companions the files beside the model, by name
   * @throws LatheException where GGUF has no way to say what the tokenizer does
   */
  public static void put(
      Map<String, byte[]> companions, ModelConfig config, GgufMetadata.Builder metadata) {
    var file = companions.get(WHERE);
    if (file == null) {
      metadata.string(PREFIX + "model", "no_vocab");
      config.beginToken().ifPresent(id -> metadata.u32(PREFIX + "bos_token_id", id));
      config.endToken().ifPresent(id -> metadata.u32(PREFIX + "eos_token_id", id));
      return;
    }
    var settings = companions.get("tokenizer_config.json");
    var keys =
        new GgufTokenizerKeys(
            Json.parse(file, WHERE),
            settings == null ? Json.object() : Json.parse(settings, "tokenizer_config.json"),
            config,
            metadata);
    keys.put();
    ChatTemplateTexts.put(ChatTemplateTexts.of(companions), metadata);
  }

  private void put() {
    var model = json.path("model");
    collect(model);
    var type = model.path("type").asText("BPE");
    switch (type) {
      case "WordPiece" -> wordPiece(model);
      case "BPE" -> {
        if (model.path("byte_fallback").asBoolean()) {
          sentencePiece(model);
        } else {
          byteLevel(model);
        }
      }
      default ->
          throw new FormatException(
              WHERE + ": GGUF is written for BPE and WordPiece vocabularies, not for " + type);
    }
  }

  private void collect(JsonNode model) {
    for (var entry : model.path("vocab").properties()) {
      place(entry.getKey(), entry.getValue(), TokenType.NORMAL);
    }
    boolean bytes = model.path("byte_fallback").asBoolean();
    for (int id = 0; bytes && id < tokens.length; id++) {
      if (tokens[id] != null && tokens[id].matches("<0x[0-9A-F]{2}>")) {
        types[id] = TokenType.BYTE.ordinal();
      }
    }
    for (var token : json.path("added_tokens")) {
      boolean special = token.path("special").asBoolean();
      place(
          token.path("content").asText(),
          token.path("id"),
          special ? TokenType.CONTROL : TokenType.USER_DEFINED);
    }
    unknown(model).ifPresent(id -> types[id] = TokenType.UNKNOWN.ordinal());
    for (int id = 0; id < tokens.length; id++) {
      if (tokens[id] == null) {
        // The embedding has rows that no token uses.
        tokens[id] = "[PAD" + id + "]";
        types[id] = TokenType.UNUSED.ordinal();
      }
    }
  }

  private void place(String token, JsonNode id, TokenType type) {
    if (!id.isInt() || id.intValue() < 0 || id.intValue() >= tokens.length) {
      throw new FormatException(
          WHERE
              + ": token '"
              + token
              + "' has id "
              + id
              + ", but the embedding has "
              + tokens.length
              + " rows");
    }
    tokens[id.intValue()] = token;
    types[id.intValue()] = type.ordinal();
    ids.put(token, id.intValue());
  }

  private Optional<Integer> unknown(JsonNode model) {
    return Optional.ofNullable(ids.get(model.path("unk_token").asText("")));
  }

  private void byteLevel(JsonNode model) {
    var pre =
        PreTokenizer.of(json.path("pre_tokenizer"))
            .orElseThrow(
                () ->
                    new FormatException(
                        WHERE
                            + ": its pre-tokenizer is none of those that GGUF is written for ("
                            + String.join(
                                ", ",
                                PreTokenizer.ALL.stream().map(p -> p.names().getFirst()).toList())
                            + ")"));
    common("gpt2", pre.names().getFirst());
    metadata.strings(
        PREFIX + "merges", merges(model).stream().map(GgufTokenizerKeys::line).toList());
    around(pre.begins());
    special("unknown", unknown(model));
  }

  private static String line(SentencePieceMerges.Merge merge) {
    return merge.left() + " " + merge.right();
  }

  /** Scores that fall with the rank of the first merge that makes a token. */
  private void sentencePiece(JsonNode model) {
    var merges = merges(model);
    var scores = new float[tokens.length];
    var ranks = new HashMap<String, Integer>();
    for (int i = 0; i < merges.size(); i++) {
      ranks.putIfAbsent(merges.get(i).left() + merges.get(i).right(), i);
    }
    for (int id = 0; id < scores.length; id++) {
      boolean normal = types[id] == TokenType.NORMAL.ordinal();
      // Characters are never the result of a merge: their score only has to be the lowest.
      scores[id] = normal ? -1f - ranks.getOrDefault(tokens[id], merges.size()) : 0;
    }
    common("llama", "default");
    metadata.f32s(PREFIX + "scores", scores);
    boolean prefix = addsSpace();
    metadata.bool(PREFIX + "add_space_prefix", prefix);
    around(true);
    special("unknown", unknown(model));
    var wide = new double[scores.length];
    Arrays.setAll(wide, i -> scores[i]);
    boolean exact = SentencePieceMerges.of(List.of(tokens), wide, ids).equals(merges);
    if (!exact || json.path("pre_tokenizer").isObject()) {
      // Merges that no scores give, or other cuts: readers of tokenizer.json get them exactly.
      metadata.string(
          GgufVocabulary.EMBEDDED, new String(Json.print(json), StandardCharsets.UTF_8));
    }
  }

  private boolean addsSpace() {
    var normalizer = json.path("normalizer").toString();
    var pre = json.path("pre_tokenizer");
    return normalizer.contains("\"Prepend\"")
        || pre.path("type").asText().equals("Metaspace")
            && !pre.path("prepend_scheme").asText("always").equals("never");
  }

  private void wordPiece(JsonNode model) {
    var normalizer = json.path("normalizer");
    if (!normalizer.path("lowercase").asBoolean(false)) {
      throw new FormatException(
          WHERE + ": it keeps upper case, and every reader of a bert GGUF lowers it");
    }
    for (int id = 0; id < tokens.length; id++) {
      var token = tokens[id];
      boolean whole = types[id] != TokenType.NORMAL.ordinal() || bracketed(token);
      if (!whole) {
        tokens[id] = token.startsWith("##") ? token.substring(2) : GgufVocabulary.SPACE + token;
      }
    }
    unknown(model).ifPresent(id -> types[id] = TokenType.CONTROL.ordinal());
    common("bert", "default");
    special("cls", named("cls", "[CLS]"));
    special("bos", named("cls", "[CLS]"));
    special("seperator", named("sep", "[SEP]"));
    special("eos", named("sep", "[SEP]"));
    special("mask", named("mask", "[MASK]"));
    special("padding", named("pad", "[PAD]"));
    special("unknown", unknown(model));
  }

  private static boolean bracketed(String token) {
    return token.startsWith("[") && token.endsWith("]");
  }

  private Optional<Integer> named(String name, String usual) {
    return token(name).or(() -> Optional.ofNullable(ids.get(usual)));
  }

  private void common(String model, String pre) {
    metadata.string(PREFIX + "model", model).string(PREFIX + "pre", pre);
    metadata.strings(PREFIX + "tokens", List.of(tokens));
    metadata.integers(PREFIX + "token_type", IntegerType.I32, types);
  }

  private List<SentencePieceMerges.Merge> merges(JsonNode model) {
    var merges = new ArrayList<SentencePieceMerges.Merge>();
    for (var merge : model.path("merges")) {
      if (merge.isArray() && merge.size() == 2) {
        merges.add(new SentencePieceMerges.Merge(merge.get(0).asText(), merge.get(1).asText()));
      } else {
        int space = merge.asText().indexOf(' ', 1);
        if (space < 1) {
          throw new FormatException(WHERE + ": the merge " + merge + " is no pair");
        }
        merges.add(
            new SentencePieceMerges.Merge(
                merge.asText().substring(0, space), merge.asText().substring(space + 1)));
      }
    }
    return merges;
  }

  /** The special tokens, and whether they stand around every text. */
  private void around(boolean beginsByDefault) {
    var template = template(json.path("post_processor"));
    var first = template.isEmpty() ? null : template.getFirst();
    var last = template.isEmpty() ? null : template.getLast();
    var begin = Optional.ofNullable(first).map(ids::get);
    var end = Optional.ofNullable(last).map(ids::get);
    special("bos", begin.or(() -> token("bos")).or(() -> boxed(config.beginToken())));
    special("eos", end.or(() -> token("eos")).or(() -> boxed(config.endToken())));
    special("padding", token("pad"));
    metadata.bool(PREFIX + "add_bos_token", begin.isPresent());
    metadata.bool(PREFIX + "add_eos_token", end.isPresent());
  }

  /** What a template puts before and behind a text: two entries, null for nothing. */
  private static List<String> template(JsonNode post) {
    if (post.path("type").asText().equals("Sequence")) {
      for (var one : post.path("processors")) {
        var found = template(one);
        if (!found.isEmpty()) {
          return found;
        }
      }
      return List.of();
    }
    if (!post.path("type").asText().equals("TemplateProcessing")) {
      return List.of();
    }
    String before = null;
    String behind = null;
    boolean seen = false;
    for (var piece : post.path("single")) {
      if (piece.has("Sequence")) {
        seen = true;
      } else if (seen) {
        behind = piece.path("SpecialToken").path("id").asText();
      } else {
        before = piece.path("SpecialToken").path("id").asText();
      }
    }
    return Arrays.asList(before, behind);
  }

  /** A special token by tokenizer_config.json, where it is a text or an object with one. */
  private Optional<Integer> token(String name) {
    var value = settings.path(name + "_token");
    var text = value.isObject() ? value.path("content").asText() : value.asText();
    return Optional.ofNullable(ids.get(text));
  }

  private Optional<Integer> boxed(OptionalInt id) {
    return id.isPresent() && id.getAsInt() < tokens.length
        ? Optional.of(id.getAsInt())
        : Optional.empty();
  }

  private void special(String key, Optional<Integer> id) {
    id.ifPresent(token -> metadata.u32(PREFIX + key + "_token_id", token));
  }
}
