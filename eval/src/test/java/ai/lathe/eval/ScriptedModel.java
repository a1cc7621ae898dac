package ai.lathe.eval;

import ai.lathe.model.LanguageModel;
import java.util.Random;

/** A language model whose logits are what a function says. */
final class ScriptedModel implements LanguageModel {

  /** Logits {@code [vocabulary]} at a position of a window. */
  interface Script {
    float[] logits(int[] tokens, int position);
  }

  private final int vocabulary;
  private final int context;
  private final Script script;

  /** Forward passes whose logits were not closed. */
  int open;

  int forwards;

  ScriptedModel(int vocabulary, int context, Script script) {
    this.vocabulary = vocabulary;
    this.context = context;
    this.script = script;
  }

  /** Normal logits that depend on the seed, the token, and the position. */
  static ScriptedModel random(int vocabulary, long seed, double scale) {
    return new ScriptedModel(
        vocabulary,
        1024,
        (tokens, position) -> {
          var random = new Random(seed * 31 + tokens[position] * 1009L + position);
          var logits = new float[vocabulary];
          for (int i = 0; i < vocabulary; i++) {
            logits[i] = (float) (random.nextGaussian() * scale);
          }
          return logits;
        });
  }

  /** This one's logits with noise of standard deviation {@code scale}. */
  ScriptedModel disturbed(long seed, double scale) {
    var noise = random(vocabulary, seed, scale);
    return new ScriptedModel(
        vocabulary,
        context,
        (tokens, position) -> {
          var logits = script.logits(tokens, position).clone();
          var added = noise.script.logits(tokens, position);
          for (int i = 0; i < vocabulary; i++) {
            logits[i] += added[i];
          }
          return logits;
        });
  }

  float[] logits(int[] tokens, int position) {
    return script.logits(tokens, position);
  }

  /** The softmax by its definition, in float64. */
  double[] probabilities(int[] tokens, int position) {
    var logits = script.logits(tokens, position);
    var p = new double[vocabulary];
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      p[i] = Math.exp(logits[i]);
      sum += p[i];
    }
    for (int i = 0; i < vocabulary; i++) {
      p[i] /= sum;
    }
    return p;
  }

  @Override
  public int vocabularySize() {
    return vocabulary;
  }

  @Override
  public int contextLength() {
    return context;
  }

  @Override
  public Logits forward(int[] tokens) {
    open++;
    forwards++;
    return new Logits() {
      @Override
      public int positions() {
        return tokens.length;
      }

      @Override
      public void rows(int from, int to, float[] target) {
        for (int i = from; i < to; i++) {
          System.arraycopy(
              script.logits(tokens, i), 0, target, (i - from) * vocabulary, vocabulary);
        }
      }

      @Override
      public void close() {
        open--;
      }
    };
  }

  @Override
  public void close() {}
}
