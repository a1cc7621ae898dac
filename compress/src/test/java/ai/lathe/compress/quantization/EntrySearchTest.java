package ai.lathe.compress.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class EntrySearchTest {

  private static final int LENGTH = 3;

  @Test
  void aBeamOfFullWidthFindsWhatTryingAllFinds() {
    var random = new Random(1);
    for (int entries : new int[] {2, 3, 5}) {
      var books = books(3, entries, random);
      var y = numbers(20 * LENGTH, random);
      var codes = new int[20 * 3];
      Arrays.fill(codes, -1);
      new EntrySearch(books, LENGTH, entries * entries).search(y, 20, codes);
      for (int i = 0; i < 20; i++) {
        double least = Double.POSITIVE_INFINITY;
        for (int all = 0; all < entries * entries * entries; all++) {
          var combination =
              new int[] {all / entries / entries, all / entries % entries, all % entries};
          least = Math.min(least, distance(y, i, books, combination, 0));
        }
        assertThat(distance(y, i, books, codes, i * 3)).isCloseTo(least, within(1e-4));
      }
    }
  }

  @Test
  void codesThatAreThereAreNotExchangedForWorse() {
    var random = new Random(2);
    for (int width : new int[] {1, 2, 8}) {
      var books = books(2, 16, random);
      var y = numbers(50 * LENGTH, random);
      var codes = random.ints(50 * 2, 0, 16).toArray();
      var before = codes.clone();
      new EntrySearch(books, LENGTH, width).search(y, 50, codes);
      for (int i = 0; i < 50; i++) {
        assertThat(distance(y, i, books, codes, i * 2))
            .isLessThanOrEqualTo(distance(y, i, books, before, i * 2) + 1e-5);
      }
    }
  }

  private static float[][] books(int count, int entries, Random random) {
    var books = new float[count][];
    for (int m = 0; m < count; m++) {
      books[m] = numbers(entries * LENGTH, random);
    }
    return books;
  }

  private static float[] numbers(int count, Random random) {
    var numbers = new float[count];
    for (int i = 0; i < count; i++) {
      numbers[i] = (float) random.nextGaussian();
    }
    return numbers;
  }

  private static double distance(float[] y, int i, float[][] books, int[] codes, int at) {
    double sum = 0;
    for (int d = 0; d < LENGTH; d++) {
      double rest = y[i * LENGTH + d];
      for (int m = 0; m < books.length; m++) {
        rest -= books[m][codes[at + m] * LENGTH + d];
      }
      sum += rest * rest;
    }
    return sum;
  }
}
