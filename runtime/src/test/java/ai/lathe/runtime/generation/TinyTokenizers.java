package ai.lathe.runtime.generation;

import ai.lathe.format.Json;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.tokenizer.JsonTokenizer;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** The two ways in which language models spell bytes, with hardly any vocabulary. */
final class TinyTokenizers {

  private TinyTokenizers() {}

  /** As GPT-2's: a token a byte, some of several bytes, among them half characters; 1 special. */
  static Tokenizer byteLevel() {
    var json = start("<|end|>");
    json.putObject("pre_tokenizer")
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", false);
    json.putObject("decoder")
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
    var model = json.putObject("model").put("type", "BPE");
    var vocabulary = model.putObject("vocab").put("<|end|>", 0);
    for (int b = 0; b < 256; b++) {
      vocabulary.put(letter(b), b + 1);
    }
    var merges = model.putArray("merges");
    int[][] pairs = {{' ', 'a'}, {0xE2, 0x82}, {0xF0, 0x9F}, {0x98, 0x80}, {'t', 'h'}};
    for (var pair : pairs) {
      merges.add(letter(pair[0]) + " " + letter(pair[1]));
      vocabulary.put(letter(pair[0]) + letter(pair[1]), vocabulary.size());
    }
    return JsonTokenizer.of(json, "byte level");
  }

  /** As Llama 2's: words with their space in front, other characters by bytes. */
  static Tokenizer sentencePiece() {
    var json = start("</s>");
    var normalizer = json.putObject("normalizer").put("type", "Sequence");
    var steps = normalizer.putArray("normalizers");
    steps.addObject().put("type", "Prepend").put("prepend", "\u2581");
    replace(steps.addObject(), " ", "\u2581");
    var decoder = json.putObject("decoder").put("type", "Sequence");
    var decoders = decoder.putArray("decoders");
    replace(decoders.addObject(), "\u2581", " ");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    decoders.addObject().put("type", "Strip").put("content", " ").put("start", 1).put("stop", 0);
    var model = json.putObject("model").put("type", "BPE").put("byte_fallback", true);
    var vocabulary = model.putObject("vocab").put("</s>", 0);
    for (int b = 0; b < 256; b++) {
      vocabulary.put("<0x%02X>".formatted(b), b + 1);
    }
    for (var token :
        List.of("\u2581", "a", "b", "\u2581a", "\u2581b", "\u00e9", ".", "\u2581\u2581")) {
      vocabulary.put(token, vocabulary.size());
    }
    var merges = model.putArray("merges");
    merges.add("\u2581 a").add("\u2581 b").add("\u2581 \u2581");
    return JsonTokenizer.of(json, "sentence piece");
  }

  private static ObjectNode start(String special) {
    var json = Json.object().put("version", "1.0");
    json.putArray("added_tokens")
        .addObject()
        .put("id", 0)
        .put("content", special)
        .put("single_word", false)
        .put("lstrip", false)
        .put("rstrip", false)
        .put("normalized", false)
        .put("special", true);
    return json;
  }

  private static void replace(ObjectNode step, String from, String to) {
    step.put("type", "Replace").put("content", to).putObject("pattern").put("String", from);
  }

  /** GPT-2's character for a byte: itself where it prints, else from 256 on. */
  private static String letter(int wanted) {
    int next = 256;
    for (int b = 0; b < 256; b++) {
      boolean prints = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      int letter = prints ? b : next++;
      if (b == wanted) {
        return Character.toString(letter);
      }
    }
    throw new IllegalArgumentException("no byte: " + wanted);
  }
}
