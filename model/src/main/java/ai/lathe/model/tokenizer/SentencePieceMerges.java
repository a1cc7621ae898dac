package ai.lathe.model.tokenizer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * The merges that SentencePiece's scores imply, in the order in which Hugging Face's converter
 * lists them: a token may come of every two tokens that it is made of, the higher its score the
 * sooner, then the lower their ids.
 */
final class SentencePieceMerges {

  record Merge(String left, String right) {}

  private record Scored(Merge merge, double score) {}

  private SentencePieceMerges() {}

  /**
   * All merges.
   *
   * @param scores one a token
   * @param ids of the tokens; where a token stands twice, the first
   */
  static List<Merge> of(List<String> tokens, double[] scores, Map<String, Integer> ids) {
    var all = new ArrayList<Scored>();
    var ofToken = new ArrayList<Merge>();
    for (int id = 0; id < tokens.size(); id++) {
      var token = tokens.get(id);
      if (ids.get(token) != id) {
        continue;
      }
      ofToken.clear();
      // By characters, not by UTF-16 units: a pair of surrogates is never cut.
      for (int at = 1; at < token.length(); at++) {
        var left = token.substring(0, at);
        var right = token.substring(at);
        if (!Character.isLowSurrogate(token.charAt(at))
            && ids.containsKey(left)
            && ids.containsKey(right)) {
          ofToken.add(new Merge(left, right));
        }
      }
      ofToken.sort(
          Comparator.<Merge>comparingInt(merge -> ids.get(merge.left))
              .thenComparingInt(merge -> ids.get(merge.right)));
      for (var merge : ofToken) {
        all.add(new Scored(merge, scores[id]));
      }
    }
    // Stable: the merges of one token stay in the order of their ids.
    all.sort(Comparator.comparingDouble(scored -> -scored.score));
    return all.stream().map(Scored::merge).toList();
  }
}
