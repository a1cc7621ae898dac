package ai.lathe.model.chat.jinja;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The functions that every chat template may call. */
final class Globals {

  private Globals() {}

  static Map<String, Object> of(LocalDateTime now, Limits limits) {
    var globals = new HashMap<String, Object>();
    globals.put(
        "raise_exception",
        (Callable)
            a -> {
              throw new Failure("the template refuses: " + Printing.text(a.get(0, "message")));
            });
    globals.put("strftime_now", (Callable) a -> time(a.string(0, "format"), now, limits));
    globals.put("range", (Callable) a -> range(a, limits));
    globals.put("namespace", (Callable) a -> new Namespace(attributes(a)));
    globals.put("dict", (Callable) a -> new LinkedHashMap<Object, Object>(attributes(a)));
    return globals;
  }

  private static Map<String, Object> attributes(Arguments arguments) {
    var attributes = new LinkedHashMap<String, Object>();
    for (var argument : arguments.positional()) {
      switch (argument) {
        case Map<?, ?> map ->
            map.forEach((key, value) -> attributes.put(Printing.text(key), value));
        case List<?> pairs -> {
          for (var pair : pairs) {
            if (!(pair instanceof List<?> entry) || entry.size() != 2) {
              throw new Failure("a dictionary is made of pairs");
            }
            attributes.put(Printing.text(entry.getFirst()), entry.getLast());
          }
        }
        case null, default ->
            throw new Failure("a dictionary is not made of a " + Printing.type(argument));
      }
    }
    attributes.putAll(arguments.named());
    return attributes;
  }

  private static List<Object> range(Arguments a, Limits limits) {
    boolean one = a.size() == 1;
    long from = one ? 0 : a.integer(0, "start", 0);
    long to = a.integer(one ? 0 : 1, "stop", 0);
    long step = a.integer(2, "step", 1);
    if (step == 0) {
      throw new Failure("the step of a range is zero");
    }
    var numbers = new ArrayList<Object>();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      if (numbers.size() == Limits.LONGEST_RANGE) {
        throw new Failure("a range of more than " + Limits.LONGEST_RANGE + " numbers");
      }
      numbers.add(i);
    }
    return numbers;
  }

  /** {@code strftime} in the C locale; codes that it does not know stay as they are. */
  private static String time(String format, LocalDateTime now, Limits limits) {
    var out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char code = format.charAt(++i);
      boolean bare = code == '-' && i + 1 < format.length();
      if (bare) {
        code = format.charAt(++i);
      }
      var field = field(code, now);
      if (field == null) {
        out.append('%').append(bare ? "-" : "").append(code);
      } else {
        out.append(bare ? field.replaceFirst("^[0 ]+(?=.)", "") : field);
      }
      limits.text(out.length());
    }
    return out.toString();
  }

  private static String field(char code, LocalDateTime now) {
    return switch (code) {
      case 'Y' -> String.format(Locale.ROOT, "%d", now.getYear());
      case 'y' -> two(now.getYear() % 100);
      case 'm' -> two(now.getMonthValue());
      case 'd' -> two(now.getDayOfMonth());
      case 'e' -> String.format(Locale.ROOT, "%2d", now.getDayOfMonth());
      case 'j' -> String.format(Locale.ROOT, "%03d", now.getDayOfYear());
      case 'H' -> two(now.getHour());
      case 'I' -> two(now.get(ChronoField.CLOCK_HOUR_OF_AMPM));
      case 'M' -> two(now.getMinute());
      case 'S' -> two(now.getSecond());
      case 'f' -> String.format(Locale.ROOT, "%06d", now.getNano() / 1000);
      case 'p' -> now.getHour() < 12 ? "AM" : "PM";
      case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'b', 'h' -> now.getMonth().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
      case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'a' -> now.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
      case 'w' -> String.valueOf(now.getDayOfWeek().getValue() % 7);
      case 'u' -> String.valueOf(now.getDayOfWeek().getValue());
      case 'F' -> field('Y', now) + "-" + field('m', now) + "-" + field('d', now);
      case 'T' -> field('H', now) + ":" + field('M', now) + ":" + field('S', now);
      case 'D', 'x' -> field('m', now) + "/" + field('d', now) + "/" + field('y', now);
      case 'X' -> field('T', now);
      case 'Z', 'z' -> "";
      case '%' -> "%";
      default -> null;
    };
  }

  private static String two(int number) {
    return String.format(Locale.ROOT, "%02d", number);
  }
}
