package ai.lathe.compress.quantization;

import ai.lathe.tensor.LatheException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A method's settings as recipes write them, by name, each with a default. */
public final class Settings {

  private final String method;
  private final Map<String, ?> given;

  /**
   * @param method for messages, for example {@code AdaQuant}
   * @param known all names there are; another one is a {@link LatheException} with the nearest
   */
  public Settings(String method, Map<String, ?> given, List<String> known) {
    this.method = method;
    this.given = given;
    for (var name : given.keySet()) {
      if (!known.contains(name)) {
        throw LatheException.unknown("setting of " + method, name, known);
      }
    }
  }

  public double number(String name, double otherwise) {
    var value = given.get(name);
    if (value == null) {
      return otherwise;
    }
    try {
      return Double.parseDouble(value.toString());
    } catch (NumberFormatException e) {
      throw new LatheException("%s's %s is a number, not '%s'".formatted(method, name, value), e);
    }
  }

  public int integer(String name, int otherwise) {
    double number = number(name, otherwise);
    if (number != Math.rint(number) || Math.abs(number) > Integer.MAX_VALUE) {
      throw new LatheException(
          "%s's %s is a whole number, not '%s'".formatted(method, name, given.get(name)));
    }
    return (int) number;
  }

  public String text(String name, String otherwise) {
    var value = given.get(name);
    return value == null ? otherwise : value.toString();
  }

  public boolean flag(String name, boolean otherwise) {
    var value = given.get(name);
    return switch (value == null ? String.valueOf(otherwise) : value.toString()) {
      case "true" -> true;
      case "false" -> false;
      default ->
          throw new LatheException(
              "%s's %s is true or false, not '%s'".formatted(method, name, value));
    };
  }

  /** One of an enum's constants, in lower case. */
  public <E extends Enum<E>> E choice(String name, E otherwise) {
    var value = given.get(name);
    if (value == null) {
      return otherwise;
    }
    var constants = otherwise.getDeclaringClass().getEnumConstants();
    for (var constant : constants) {
      if (label(constant).equals(value.toString().toLowerCase(Locale.ROOT))) {
        return constant;
      }
    }
    throw LatheException.unknown(
        method + "'s " + name,
        value.toString(),
        Arrays.stream(constants).map(Settings::label).toList());
  }

  private static String label(Enum<?> constant) {
    return constant.name().toLowerCase(Locale.ROOT);
  }
}
