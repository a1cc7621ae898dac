package ai.lathe.model.tokenizer;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The vocabulary of a GGUF file as the {@code tokenizer.json} that gives the same tokens. */
public final class GgufVocabulary {

  private static final Logger LOG = LoggerFactory.getLogger(GgufVocabulary.class);

  static final String PREFIX = "tokenizer.ggml.";

  /** A whole tokenizer.json, which some files carry beside the other keys. */
  static final String EMBEDDED = "tokenizer.huggingface.json";

  /** What SentencePiece writes for a space. */
  static final String SPACE = "\u2581";

  /** Values of {@code tokenizer.ggml.token_type}. */
  enum TokenType {
    UNDEFINED,
    NORMAL,
    UNKNOWN,
    CONTROL,
    USER_DEFINED,
    UNUSED,
    BYTE
  }

  private final GgufMetadata metadata;
  private final String where;
  private final List<String> tokens;
  private final long[] types;
  private final ObjectNode json = Json.object();

  private GgufVocabulary(GgufMetadata metadata, String where) {
    this.metadata = metadata;
    this.where = where;
    this.tokens = metadata.strings(PREFIX + "tokens");
    this.types = metadata.findIntegers(PREFIX + "token_type").orElse(new long[0]);
    if (types.length != 0 && types.length != tokens.size()) {
      throw new FormatException(
          where + ": " + tokens.size() + " tokens have " + types.length + " token types");
    }
  }

  /**
   * {@code tokenizer.json}, {@code tokenizer_config.json} and {@code generation_config.json}, by
   * name; empty where the file holds no vocabulary.
   *
   * @param where names the file in messages
   */
  public static Map<String, byte[]> companions(GgufMetadata metadata, String where) {
    if (!metadata.has(PREFIX + "tokens") && !metadata.has(EMBEDDED)) {
      return Map.of();
    }
    var files = new LinkedHashMap<String, byte[]>();
    files.put("tokenizer.json", Json.print(tokenizerJson(metadata, where)));
    files.put("tokenizer_config.json", Json.print(tokenizerConfig(metadata, where)));
    ends(metadata, where).ifPresent(file -> files.put("generation_config.json", Json.print(file)));
    return files;
  }

  /** Ends of texts, of turns and of messages as one list, as Hugging Face keeps them. */
  private static Optional<ObjectNode> ends(GgufMetadata metadata, String where) {
    int size = metadata.findStrings(PREFIX + "tokens").map(List::size).orElse(Integer.MAX_VALUE);
    var ids =
        Stream.of("eos", "eot", "eom")
            .flatMap(name -> special(metadata, name, size, where).stream())
            .distinct()
            .toList();
    if (ids.isEmpty()) {
      return Optional.empty();
    }
    var file = Json.object();
    var list = file.putArray("eos_token_id");
    ids.forEach(list::add);
    return Optional.of(file);
  }

  /** The {@code tokenizer.json}; throws where the vocabulary is of a kind that is not known. */
  public static ObjectNode tokenizerJson(GgufMetadata metadata, String where) {
    var embedded = metadata.findString(EMBEDDED);
    if (embedded.isPresent()) {
      return Json.parse(embedded.get().getBytes(StandardCharsets.UTF_8), where + ": " + EMBEDDED);
    }
    var vocabulary = new GgufVocabulary(metadata, where);
    var model = metadata.string(PREFIX + "model");
    vocabulary.begin();
    switch (model) {
      case "llama" -> vocabulary.sentencePiece();
      case "gpt2" -> vocabulary.byteLevel();
      case "bert" -> vocabulary.wordPiece();
      default ->
          throw new FormatException(
              where
                  + ": "
                  + LatheException.unknown(
                          "tokenizer model", model, List.of("llama", "gpt2", "bert"))
                      .getMessage());
    }
    return vocabulary.json;
  }

  private void begin() {
    json.put("version", "1.0").putNull("truncation").putNull("padding");
    var added = json.putArray("added_tokens");
    for (int id = 0; id < types.length; id++) {
      var type = type(id);
      if (type == TokenType.CONTROL || type == TokenType.USER_DEFINED || isUnknown(id)) {
        added
            .addObject()
            .put("id", id)
            .put("content", tokens.get(id))
            .put("single_word", false)
            .put("lstrip", false)
            .put("rstrip", false)
            .put("normalized", false)
            .put("special", type != TokenType.USER_DEFINED);
      }
    }
  }

  private boolean isUnknown(int id) {
    return type(id) == TokenType.UNKNOWN && special("unknown").filter(u -> u == id).isPresent();
  }

  private TokenType type(int id) {
    long type = types.length == 0 ? 1 : types[id];
    return type >= 0 && type < TokenType.values().length
        ? TokenType.values()[(int) type]
        : TokenType.UNDEFINED;
  }

  /** SentencePiece's BPE: what may be merged, and in which order, is in the scores. */
  private void sentencePiece() {
    var scores = metadata.reals(PREFIX + "scores");
    if (scores.length != tokens.size()) {
      throw new FormatException(
          where + ": " + tokens.size() + " tokens have " + scores.length + " scores");
    }
    boolean prefix = metadata.findBool(PREFIX + "add_space_prefix").orElse(true);
    var normalizers = json.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
    if (prefix) {
      normalizers.addObject().put("type", "Prepend").put("prepend", SPACE);
    }
    replace(normalizers, " ", SPACE);
    json.putNull("pre_tokenizer");
    post(true);
    var decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
    replace(decoders, SPACE, " ");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    if (prefix) {
      decoders.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
    }
    boolean bytes = false;
    for (int id = 0; id < types.length; id++) {
      bytes |= type(id) == TokenType.BYTE;
    }
    var model = json.putObject("model").put("type", "BPE").putNull("dropout");
    var unknown = special("unknown");
    if (unknown.isPresent()) {
      model.put("unk_token", tokens.get(unknown.get()));
    } else {
      model.putNull("unk_token");
    }
    model.put("fuse_unk", true).put("byte_fallback", bytes);
    var ids = vocabulary(model);
    putMerges(model, SentencePieceMerges.of(tokens, scores, ids));
  }

  private static void replace(ArrayNode list, String from, String to) {
    list.addObject()
        .put("type", "Replace")
        .put("content", to)
        .putObject("pattern")
        .put("String", from);
  }

  private void byteLevel() {
    var name = metadata.findString(PREFIX + "pre");
    if (name.isEmpty()) {
      LOG.warn("{}: no tokenizer.ggml.pre; text is cut as llama.cpp's 'default' does", where);
    }
    PreTokenizer pre;
    try {
      pre = PreTokenizer.named(name.orElse("default"));
    } catch (LatheException e) {
      throw new FormatException(where + ": " + e.getMessage(), e);
    }
    if (pre.composed()) {
      json.putObject("normalizer").put("type", "NFC");
    } else {
      json.putNull("normalizer");
    }
    json.set("pre_tokenizer", pre.json());
    post(pre.begins());
    json.putObject("decoder")
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
    var model = json.putObject("model").put("type", "BPE").putNull("dropout").putNull("unk_token");
    model.put("fuse_unk", false).put("byte_fallback", false);
    model.put("ignore_merges", pre.wholeWords());
    vocabulary(model);
    var merges = metadata.strings(PREFIX + "merges");
    putMerges(
        model,
        merges.stream()
            .map(
                merge -> {
                  int space = merge.indexOf(' ', 1);
                  if (space < 1) {
                    throw new FormatException(where + ": the merge '" + merge + "' is no pair");
                  }
                  return new SentencePieceMerges.Merge(
                      merge.substring(0, space), merge.substring(space + 1));
                })
            .toList());
  }

  /** WordPiece; GGUF marks the beginnings of words where tokenizer.json marks the rest. */
  private void wordPiece() {
    var normalizer = json.putObject("normalizer").put("type", "BertNormalizer");
    normalizer.put("clean_text", true).put("handle_chinese_chars", true);
    normalizer.putNull("strip_accents").put("lowercase", true);
    json.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    int begin = special("cls").or(() -> special("bos")).orElseThrow(() -> missing("cls"));
    int end = special("seperator").or(() -> special("eos")).orElseThrow(() -> missing("seperator"));
    template(Optional.of(begin), Optional.of(end));
    json.putObject("decoder").put("type", "WordPiece").put("prefix", "##").put("cleanup", true);
    var model = json.putObject("model").put("type", "WordPiece");
    model.put("unk_token", tokens.get(special("unknown").orElseThrow(() -> missing("unknown"))));
    model.put("continuing_subword_prefix", "##").put("max_input_chars_per_word", 100);
    var vocabulary = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      putOnce(vocabulary, word(id), id);
    }
  }

  private String word(int id) {
    var token = tokens.get(id);
    if (token.startsWith(SPACE)) {
      return token.substring(SPACE.length());
    }
    boolean whole = type(id) == TokenType.CONTROL || token.startsWith("[") && token.endsWith("]");
    return whole ? token : "##" + token;
  }

  private FormatException missing(String key) {
    return new FormatException(where + ": no " + PREFIX + key + "_token_id");
  }

  private Map<String, Integer> vocabulary(ObjectNode model) {
    var vocabulary = model.putObject("vocab");
    var ids = new HashMap<String, Integer>(tokens.size() * 2);
    for (int id = 0; id < tokens.size(); id++) {
      putOnce(vocabulary, tokens.get(id), id);
      ids.putIfAbsent(tokens.get(id), id);
    }
    return ids;
  }

  private static void putOnce(ObjectNode vocabulary, String token, int id) {
    if (!vocabulary.has(token)) {
      vocabulary.put(token, id);
    }
  }

  private static void putMerges(ObjectNode model, List<SentencePieceMerges.Merge> merges) {
    // The older form, which every reader knows, cannot hold a token with a space.
    boolean pairs = merges.stream().anyMatch(m -> (m.left() + m.right()).indexOf(' ') >= 0);
    var list = model.putArray("merges");
    for (var merge : merges) {
      if (pairs) {
        list.addArray().add(merge.left()).add(merge.right());
      } else {
        list.add(merge.left() + " " + merge.right());
      }
    }
  }

  /** Tokens put around every text, where the file asks for them. */
  private void post(boolean beginsByDefault) {
    var begin =
        metadata.findBool(PREFIX + "add_bos_token").orElse(beginsByDefault)
            ? special("bos")
            : Optional.<Integer>empty();
    var end =
        metadata.findBool(PREFIX + "add_eos_token").orElse(false)
            ? special("eos")
            : Optional.<Integer>empty();
    if (begin.isEmpty() && end.isEmpty()) {
      json.putNull("post_processor");
    } else {
      template(begin, end);
    }
  }

  private void template(Optional<Integer> begin, Optional<Integer> end) {
    var template = json.putObject("post_processor").put("type", "TemplateProcessing");
    sequence(template.putArray("single"), begin, "A", 0, end);
    var pair = template.putArray("pair");
    sequence(pair, begin, "A", 0, end);
    sequence(pair, begin, "B", 1, end);
    var special = template.putObject("special_tokens");
    begin.ifPresent(id -> special(special, id));
    end.ifPresent(id -> special(special, id));
  }

  private void sequence(
      ArrayNode list, Optional<Integer> begin, String text, int type, Optional<Integer> end) {
    begin.ifPresent(
        id ->
            list.addObject()
                .putObject("SpecialToken")
                .put("id", tokens.get(id))
                .put("type_id", type));
    list.addObject().putObject("Sequence").put("id", text).put("type_id", type);
    end.ifPresent(
        id ->
            list.addObject()
                .putObject("SpecialToken")
                .put("id", tokens.get(id))
                .put("type_id", type));
  }

  private void special(ObjectNode map, int id) {
    var token = tokens.get(id);
    var entry = map.putObject(token).put("id", token);
    entry.putArray("ids").add(id);
    entry.putArray("tokens").add(token);
  }

  private Optional<Integer> special(String name) {
    return special(metadata, name, tokens.size(), where);
  }

  private static Optional<Integer> special(
      GgufMetadata metadata, String name, int size, String where) {
    var key = PREFIX + name + "_token_id";
    var id = metadata.findInteger(key);
    if (id.isEmpty() || id.getAsLong() == -1 || id.getAsLong() == 0xFFFFFFFFL) {
      return Optional.empty();
    }
    if (id.getAsLong() < 0 || id.getAsLong() >= size) {
      throw new FormatException(
          where + ": " + key + " is " + id.getAsLong() + " of " + size + " tokens");
    }
    return Optional.of((int) id.getAsLong());
  }

  private static ObjectNode tokenizerConfig(GgufMetadata metadata, String where) {
    var config = Json.object().put("tokenizer_class", "PreTrainedTokenizerFast");
    var tokens = metadata.findStrings(PREFIX + "tokens").orElse(List.of());
    var names =
        Map.of(
            "bos",
            "bos",
            "eos",
            "eos",
            "unknown",
            "unk",
            "padding",
            "pad",
            "seperator",
            "sep",
            "cls",
            "cls",
            "mask",
            "mask");
    new java.util.TreeMap<>(names)
        .forEach(
            (gguf, huggingFace) ->
                special(metadata, gguf, tokens.size(), where)
                    .ifPresent(id -> config.put(huggingFace + "_token", tokens.get(id))));
    ChatTemplateTexts.put(metadata, config);
    return config;
  }
}
