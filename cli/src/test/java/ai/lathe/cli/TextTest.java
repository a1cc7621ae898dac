package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TextTest {

  @Test
  void sizesHaveThreeDigits() {
    assertThat(Sizes.bytes(0)).isEqualTo("0 B");
    assertThat(Sizes.bytes(999)).isEqualTo("999 B");
    assertThat(Sizes.bytes(1000)).isEqualTo("1.00 kB");
    assertThat(Sizes.bytes(12_345)).isEqualTo("12.3 kB");
    assertThat(Sizes.bytes(999_600)).isEqualTo("1.00 MB");
    assertThat(Sizes.bytes(123_456_789)).isEqualTo("123 MB");
    assertThat(Sizes.bytes(Long.MAX_VALUE)).isEqualTo("9223372 TB");
  }

  @Test
  void durationsFitTheirLength() {
    assertThat(Durations.of(420_000_000L)).isEqualTo("0.42 s");
    assertThat(Durations.of(3_140_000_000L)).isEqualTo("3.1 s");
    assertThat(Durations.of(12_400_000_000L)).isEqualTo("12 s");
    assertThat(Durations.of(200_000_000_000L)).isEqualTo("3 min 20 s");
    assertThat(Durations.of(7_500_000_000_000L)).isEqualTo("2 h 05 min");
  }

  @Test
  void numbersStandRightAndWordsLeft() {
    var table =
        new Table("scheme", "size", "kl").row("W4A16", "1.20 MB", "0.01").row("W8", "12.0 MB", "-");
    assertThat(table.lines())
        .containsExactly("scheme     size    kl", "W4A16   1.20 MB  0.01", "W8      12.0 MB     -");
  }
}
