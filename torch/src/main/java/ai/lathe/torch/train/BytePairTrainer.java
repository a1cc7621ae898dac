package ai.lathe.torch.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909; the byte alphabet and the
 * split into words are GPT-2's): starting from bytes, the most frequent pair of neighbours becomes
 * a new symbol, again and again. Of equally frequent pairs the one of lower ids wins, so the result
 * depends on the text alone.
 */
final class BytePairTrainer {

  static final String BEGIN = "<|begin_of_text|>";
  static final String END = "<|end_of_text|>";

  private static final Pattern WORD =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          Pattern.UNICODE_CHARACTER_CLASS);

  private record Pair(int left, int right) {}

  private record Word(int[] symbols, long count) {}

  private final List<String> vocabulary = new ArrayList<>();
  private final List<String> merges = new ArrayList<>();

  private BytePairTrainer() {}

  /**
   * Learns from {@code texts} and gives a Hugging Face {@code tokenizer.json} of {@code size}
   * tokens: the two special ones, 256 bytes, and merges.
   */
  static ObjectNode train(List<String> texts, int size) {
    var trainer = new BytePairTrainer();
    trainer.learn(texts, size);
    return trainer.tokenizer();
  }

  private void learn(List<String> texts, int size) {
    vocabulary.add(BEGIN);
    vocabulary.add(END);
    int firstByte = vocabulary.size();
    for (int b = 0; b < 256; b++) {
      vocabulary.add(String.valueOf(letter(b)));
    }
    var words = words(texts, firstByte);
    while (vocabulary.size() < size) {
      var best =
          counts(words).entrySet().stream()
              .max(
                  Map.Entry.<Pair, Long>comparingByValue()
                      .thenComparing(
                          Map.Entry::getKey,
                          Comparator.comparingInt(Pair::left)
                              .thenComparingInt(Pair::right)
                              .reversed()));
      if (best.isEmpty()) {
        return;
      }
      var pair = best.get().getKey();
      var left = vocabulary.get(pair.left());
      var right = vocabulary.get(pair.right());
      merges.add(left + " " + right);
      int merged = vocabulary.size();
      vocabulary.add(left + right);
      words.replaceAll(word -> new Word(merge(word.symbols(), pair, merged), word.count()));
    }
  }

  private static List<Word> words(List<String> texts, int firstByte) {
    var counts = new TreeMap<String, Long>();
    for (var text : texts) {
      var matcher = WORD.matcher(text);
      while (matcher.find()) {
        counts.merge(matcher.group(), 1L, Long::sum);
      }
    }
    var words = new ArrayList<Word>();
    counts.forEach(
        (word, count) -> {
          var bytes = word.getBytes(StandardCharsets.UTF_8);
          var symbols = new int[bytes.length];
          for (int i = 0; i < bytes.length; i++) {
            symbols[i] = firstByte + Byte.toUnsignedInt(bytes[i]);
          }
          words.add(new Word(symbols, count));
        });
    return words;
  }

  private static Map<Pair, Long> counts(List<Word> words) {
    var counts = new HashMap<Pair, Long>();
    for (var word : words) {
      var symbols = word.symbols();
      for (int i = 0; i + 1 < symbols.length; i++) {
        counts.merge(new Pair(symbols[i], symbols[i + 1]), word.count(), Long::sum);
      }
    }
    return counts;
  }

  private static int[] merge(int[] symbols, Pair pair, int merged) {
    var result = new int[symbols.length];
    int n = 0;
    for (int i = 0; i < symbols.length; i++) {
      if (i + 1 < symbols.length && symbols[i] == pair.left() && symbols[i + 1] == pair.right()) {
        result[n++] = merged;
        i++;
      } else {
        result[n++] = symbols[i];
      }
    }
    return n == symbols.length ? symbols : java.util.Arrays.copyOf(result, n);
  }

  /**
   * The character that stands for a byte in a vocabulary: itself where it prints, else one from
   * U+0100 on, in order.
   */
  private static char letter(int b) {
    int hidden = 0;
    for (int i = 0; i < b; i++) {
      hidden += prints(i) ? 0 : 1;
    }
    return (char) (prints(b) ? b : 256 + hidden);
  }

  private static boolean prints(int b) {
    return b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
  }

  private ObjectNode tokenizer() {
    var mapper = new ObjectMapper();
    var root = mapper.createObjectNode();
    root.put("version", "1.0");
    root.putNull("truncation");
    root.putNull("padding");
    var added = root.putArray("added_tokens");
    for (int id = 0; id < 2; id++) {
      added
          .addObject()
          .put("id", id)
          .put("content", vocabulary.get(id))
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", false)
          .put("special", true);
    }
    root.putNull("normalizer");
    byteLevel(root.putObject("pre_tokenizer"));
    var processor = root.putObject("post_processor").put("type", "TemplateProcessing");
    var single = processor.putArray("single");
    single.addObject().putObject("SpecialToken").put("id", BEGIN).put("type_id", 0);
    single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    var pair = processor.putArray("pair");
    pair.addObject().putObject("SpecialToken").put("id", BEGIN).put("type_id", 0);
    pair.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
    var begin = processor.putObject("special_tokens").putObject(BEGIN).put("id", BEGIN);
    begin.putArray("ids").add(0);
    begin.putArray("tokens").add(BEGIN);
    byteLevel(root.putObject("decoder"));
    var model = root.putObject("model").put("type", "BPE");
    model.putNull("dropout");
    model.putNull("unk_token");
    model.putNull("continuing_subword_prefix");
    model.putNull("end_of_word_suffix");
    model.put("fuse_unk", false).put("byte_fallback", false);
    var ids = new LinkedHashMap<String, Integer>();
    for (var token : vocabulary) {
      ids.put(token, ids.size());
    }
    model.set("vocab", mapper.valueToTree(ids));
    model.set("merges", mapper.valueToTree(merges));
    return root;
  }

  private static void byteLevel(ObjectNode node) {
    node.put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
  }
}
