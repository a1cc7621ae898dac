package ai.lathe.cli;

import ai.lathe.compress.report.page.Numbers;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Sizes and shapes as people read them. */
final class Sizes {

  private Sizes() {}

  /** In powers of 1000, three digits: {@code 12.3 MB}. */
  static String bytes(long bytes) {
    return Numbers.bytes(bytes);
  }

  /** The inverse of {@link #bytes}: {@code 3MB}, {@code 2.5 GB}, or a plain number of bytes. */
  static long parse(String text) {
    var form = Pattern.compile("([0-9]+(?:\\.[0-9]+)?) ?([kKMGT]?)B?").matcher(text.strip());
    if (!form.matches()) {
      throw new LatheException("'" + text + "' is no size; 3MB, 2.5GB or 3000000 would be");
    }
    int power = "kMGT".indexOf(form.group(2).replace('K', 'k'));
    double unit = form.group(2).isEmpty() ? 1 : Math.pow(1000, power + 1);
    return (long) (Double.parseDouble(form.group(1)) * unit);
  }

  /** With separators: {@code 22,713,216}. */
  static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  /** {@code [384, 1536]}. */
  static String shape(List<Long> shape) {
    return shape.toString();
  }

  /** Of several with as many dimensions: {@code [384, 1024 to 1536]} where they differ. */
  static String shapes(List<List<Long>> shapes) {
    return IntStream.range(0, shapes.getFirst().size())
        .mapToObj(
            d -> {
              var sizes = shapes.stream().mapToLong(shape -> shape.get(d)).summaryStatistics();
              return sizes.getMin() == sizes.getMax()
                  ? Long.toString(sizes.getMin())
                  : sizes.getMin() + " to " + sizes.getMax();
            })
        .collect(Collectors.joining(", ", "[", "]"));
  }

  /** With so many decimals whatever the machine's language. */
  static String number(double value, int decimals) {
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }
}
