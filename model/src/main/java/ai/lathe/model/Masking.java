package ai.lathe.model;

import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Hides tokens of a text for an encoder to predict, as BERT was trained (Devlin et al. 2019, arXiv
 * 1810.04805): of each text 15 % of the tokens, at least one; special tokens never.
 *
 * @param mask the token that stands for a hidden one
 * @param special tokens that are not hidden
 * @param vocabulary of the tokens that may stand in another's place
 */
public record Masking(int mask, Set<Integer> special, int vocabulary) {

  /** In the labels of a text: nothing is to be predicted here. */
  public static final int UNLABELLED = -100;

  private static final double SHARE = 0.15;

  /** Of the hidden tokens, those that {@link #mask} stands for; half of the rest are another. */
  private static final double MASKED = 0.8;

  private static final double OTHER = 0.1;

  /**
   * A text to predict tokens of.
   *
   * @param tokens as the model sees them
   * @param labels the tokens to predict, {@link #UNLABELLED} elsewhere
   */
  public record Text(int[] tokens, int[] labels) {

    /** How many tokens are to be predicted. */
    public int hidden() {
      return (int) Arrays.stream(labels).filter(label -> label != UNLABELLED).count();
    }
  }

  public Masking {
    special = Set.copyOf(special);
  }

  /** By the special tokens of a tokenizer; one without a token for masks is refused. */
  public static Masking of(Tokenizer tokenizer) {
    return find(tokenizer)
        .orElseThrow(
            () ->
                new LatheException(
                    "the tokenizer has no [MASK] token, and without one no token can be masked"));
  }

  /** Likewise; empty for a tokenizer without a token for masks. */
  public static Optional<Masking> find(Tokenizer tokenizer) {
    return Stream.of("[MASK]", "<mask>")
        .flatMap(text -> tokenizer.id(text).stream().boxed())
        .findFirst()
        .map(mask -> of(mask, tokenizer));
  }

  private static Masking of(int mask, Tokenizer tokenizer) {
    var special =
        IntStream.range(0, tokenizer.vocabularySize())
            .filter(tokenizer::isSpecial)
            .boxed()
            .collect(Collectors.toSet());
    special.add(mask);
    return new Masking(mask, special, tokenizer.vocabularySize());
  }

  /**
   * For training: of the tokens to predict 80 % are masked, 10 % are others drawn at random, and 10
   * % stay as they are.
   */
  public Text corrupt(int[] tokens, SplittableRandom random) {
    return hide(tokens, random, MASKED);
  }

  /** For measuring: all tokens to predict are masked. */
  public Text hide(int[] tokens, SplittableRandom random) {
    return hide(tokens, random, 1);
  }

  private Text hide(int[] tokens, SplittableRandom random, double masked) {
    var places =
        IntStream.range(0, tokens.length).filter(i -> !special.contains(tokens[i])).toArray();
    int count = places.length == 0 ? 0 : (int) Math.max(1, Math.round(SHARE * places.length));
    var seen = tokens.clone();
    var labels = new int[tokens.length];
    Arrays.fill(labels, UNLABELLED);
    for (int i = 0; i < count; i++) {
      int drawn = random.nextInt(i, places.length);
      int place = places[drawn];
      places[drawn] = places[i];
      labels[place] = tokens[place];
      double fate = random.nextDouble();
      if (fate < masked) {
        seen[place] = mask;
      } else if (fate < masked + OTHER) {
        seen[place] = random.nextInt(vocabulary);
      }
    }
    return new Text(seen, labels);
  }
}
