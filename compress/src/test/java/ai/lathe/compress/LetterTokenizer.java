package ai.lathe.compress;

import ai.lathe.format.Json;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Tokenizers of single letters, 64 tokens, so few that every tiny model knows them all. */
final class LetterTokenizer {

  private static final String LETTERS =
      "? abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,.;:!'-()&";

  private static final String SMALL = "abcdefghijklmnopqrstuvwxyz";

  private LetterTokenizer() {}

  /** A decoder's. */
  static byte[] plain() {
    var tokenizer = Json.object();
    tokenizer.put("version", "1.0");
    tokenizer.putArray("added_tokens");
    var model = tokenizer.putObject("model");
    model.put("type", "BPE").put("unk_token", "?");
    var vocabulary = model.putObject("vocab");
    for (int i = 0; i < LETTERS.length(); i++) {
      vocabulary.put(LETTERS.substring(i, i + 1), i);
    }
    model.putArray("merges");
    return Json.print(tokenizer);
  }

  /** BERT's: texts stand between [CLS] and [SEP], and there is a [MASK]. */
  static byte[] ofAnEncoder() {
    var tokenizer = Json.object();
    tokenizer.put("version", "1.0");
    tokenizer.putObject("normalizer").put("type", "BertNormalizer").put("lowercase", true);
    var normalizer = (ObjectNode) tokenizer.get("normalizer");
    normalizer.put("clean_text", true).put("handle_chinese_chars", true).putNull("strip_accents");
    tokenizer.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
    var model = tokenizer.putObject("model");
    model.put("type", "WordPiece").put("unk_token", "[UNK]");
    model.put("continuing_subword_prefix", "##").put("max_input_chars_per_word", 100);
    var vocabulary = model.putObject("vocab");
    for (int i = 0; i < SMALL.length(); i++) {
      var letter = SMALL.substring(i, i + 1);
      vocabulary.put(letter, i);
      vocabulary.put("##" + letter, SMALL.length() + i);
    }
    for (var mark : ",.;:!'-()".split("")) {
      vocabulary.put(mark, vocabulary.size());
    }
    var added = tokenizer.putArray("added_tokens");
    special(vocabulary, added, "[UNK]", 60);
    var ends = tokenizer.putObject("post_processor").put("type", "TemplateProcessing");
    var template = ends.putArray("single");
    ends.putArray("pair");
    var named = ends.putObject("special_tokens");
    end(template, named, special(vocabulary, added, "[CLS]", 61), 61);
    template.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    end(template, named, special(vocabulary, added, "[SEP]", 62), 62);
    special(vocabulary, added, "[MASK]", 63);
    return Json.print(tokenizer);
  }

  private static String special(ObjectNode vocabulary, ArrayNode added, String name, int id) {
    vocabulary.put(name, id);
    var token = added.addObject().put("id", id).put("content", name).put("special", true);
    for (var flag : new String[] {"single_word", "lstrip", "rstrip", "normalized"}) {
      token.put(flag, false);
    }
    return name;
  }

  private static void end(ArrayNode template, ObjectNode named, String name, int id) {
    template.addObject().putObject("SpecialToken").put("id", name).put("type_id", 0);
    var entry = named.putObject(name).put("id", name);
    entry.putArray("ids").add(id);
    entry.putArray("tokens").add(name);
  }
}
