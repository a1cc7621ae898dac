package ai.lathe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class MaskingTest {

  private static final int MASK = 4;
  private static final Masking MASKING = new Masking(MASK, Set.of(0, 1, 2, 3, MASK), 1000);

  /** Begins and ends with a special token. */
  private static int[] text(int length) {
    var tokens = new SplittableRandom(length).ints(length, 5, 1000).toArray();
    tokens[0] = 1;
    tokens[length - 1] = 2;
    return tokens;
  }

  @Test
  void hidesAShareOfEachTextAndNoSpecialTokens() {
    for (int length : new int[] {3, 4, 22, 102, 502}) {
      var tokens = text(length);
      var text = MASKING.hide(tokens, new SplittableRandom(9));
      assertThat(text.hidden()).isEqualTo(Math.max(1, (int) Math.round(0.15 * (length - 2))));
      for (int i = 0; i < length; i++) {
        boolean hidden = text.labels()[i] != Masking.UNLABELLED;
        assertThat(text.tokens()[i]).isEqualTo(hidden ? MASK : tokens[i]);
        assertThat(text.labels()[i]).isEqualTo(hidden ? tokens[i] : Masking.UNLABELLED);
      }
      assertThat(text.labels()[0]).isEqualTo(Masking.UNLABELLED);
      assertThat(text.labels()[length - 1]).isEqualTo(Masking.UNLABELLED);
    }
    var special = MASKING.hide(new int[] {1, 2, MASK}, new SplittableRandom(9));
    assertThat(special.hidden()).isZero();
    assertThat(special.tokens()).containsExactly(1, 2, MASK);
  }

  /** Eight in ten masked, one another token, one as it is. */
  @Test
  void corruptsAsBertWasTrained() {
    var random = new SplittableRandom(1);
    var tokens = text(502);
    int masked = 0;
    int kept = 0;
    int all = 0;
    var places = new int[tokens.length];
    for (int round = 0; round < 200; round++) {
      var text = MASKING.corrupt(tokens, random);
      for (int i = 0; i < tokens.length; i++) {
        if (text.labels()[i] == Masking.UNLABELLED) {
          assertThat(text.tokens()[i]).isEqualTo(tokens[i]);
          continue;
        }
        assertThat(text.labels()[i]).isEqualTo(tokens[i]);
        places[i]++;
        all++;
        masked += text.tokens()[i] == MASK ? 1 : 0;
        kept += text.tokens()[i] == tokens[i] ? 1 : 0;
      }
    }
    assertThat(all).isEqualTo(200 * 75);
    assertThat((double) masked / all).isCloseTo(0.8, within(0.02));
    assertThat((double) kept / all).isCloseTo(0.1, within(0.01));
    // Every token has its turn, 30 times of 200 give or take 5 deviations.
    assertThat(Arrays.stream(places, 1, 501)).allMatch(count -> count > 5 && count < 56);
  }

  @Test
  void isTheSameForTheSameSeed() {
    var tokens = text(102);
    var first = MASKING.corrupt(tokens, new SplittableRandom(7));
    var same = MASKING.corrupt(tokens, new SplittableRandom(7));
    var other = MASKING.corrupt(tokens, new SplittableRandom(8));
    assertThat(same.tokens()).isEqualTo(first.tokens());
    assertThat(other.labels()).isNotEqualTo(first.labels());
  }
}
