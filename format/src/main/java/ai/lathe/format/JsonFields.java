package ai.lathe.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Typed reading of an object's fields that nobody vouches for. A field that is null counts as
 * absent. Every failure is a {@link FormatException} that names the file and the path of the field.
 *
 * @param where the file, and the path to this object within it
 * @param names what this object calls fields that the reader asks for by another name
 */
public record JsonFields(ObjectNode object, String where, Map<String, String> names) {

  public JsonFields(ObjectNode object, String where) {
    this(object, where, Map.of());
  }

  /** Empty where absent or null. */
  public Optional<JsonNode> get(String name) {
    var value = object.get(own(name));
    return value == null || value.isNull() ? Optional.empty() : Optional.of(value);
  }

  public boolean has(String name) {
    return get(name).isPresent();
  }

  private String own(String name) {
    return names.getOrDefault(name, name);
  }

  /** To be thrown by a reader that knows more of what a field may hold. */
  public FormatException wrong(String name, String expected) {
    var value = object.get(own(name));
    return new FormatException(
        where
            + ": '"
            + own(name)
            + "' should be "
            + expected
            + ", not "
            + (value == null ? "absent" : shown(value)));
  }

  private static String shown(JsonNode value) {
    return value.isContainerNode()
        ? value.isArray() ? "an array" : "an object"
        : value.asText().length() > 60 ? value.asText().substring(0, 60) + "..." : value.toString();
  }

  public Optional<String> text(String name) {
    return get(name)
        .map(
            value -> {
              if (!value.isTextual()) {
                throw wrong(name, "a string");
              }
              return value.textValue();
            });
  }

  public OptionalInt integer(String name) {
    var value = get(name);
    if (value.isEmpty()) {
      return OptionalInt.empty();
    }
    if (!value.get().isIntegralNumber() || !value.get().canConvertToInt()) {
      throw wrong(name, "a whole number of 32 bits");
    }
    return OptionalInt.of(value.get().intValue());
  }

  /** A whole number from 1 to {@code most}. */
  public OptionalInt optionalCount(String name, int most) {
    var value = get(name);
    if (value.isEmpty()) {
      return OptionalInt.empty();
    }
    // Some exporters write 4096.0 for 4096.
    double number = value.get().doubleValue();
    if (!value.get().isNumber() || number != Math.rint(number) || number < 1 || number > most) {
      throw wrong(name, "a whole number from 1 to " + most);
    }
    return OptionalInt.of((int) number);
  }

  public int count(String name, int most) {
    return optionalCount(name, most)
        .orElseThrow(() -> wrong(name, "a whole number from 1 to " + most));
  }

  public int count(String name, int most, int otherwise) {
    return optionalCount(name, most).orElse(otherwise);
  }

  /** A finite number greater than 0. */
  public double positive(String name) {
    var value = get(name);
    double number = value.map(JsonNode::doubleValue).orElse(0.0);
    if (value.isEmpty() || !value.get().isNumber() || !(number > 0) || Double.isInfinite(number)) {
      throw wrong(name, "a number greater than 0");
    }
    return number;
  }

  public double positive(String name, double otherwise) {
    return has(name) ? positive(name) : otherwise;
  }

  /** Finite numbers greater than 0. */
  public List<Double> positives(String name, int size) {
    var value = get(name);
    var numbers = new ArrayList<Double>();
    if (value.isPresent() && value.get().isArray()) {
      value.get().forEach(element -> numbers.add(element.isNumber() ? element.doubleValue() : 0));
    }
    if (numbers.size() != size || !numbers.stream().allMatch(n -> n > 0 && Double.isFinite(n))) {
      throw wrong(name, "an array of " + size + " numbers greater than 0");
    }
    return List.copyOf(numbers);
  }

  /** An array of {@code size} whole numbers from 1 to {@code most}. */
  public List<Integer> counts(String name, int size, int most) {
    var value = get(name);
    var counts = new ArrayList<Integer>();
    if (value.isPresent() && value.get().isArray()) {
      value
          .get()
          .forEach(
              element ->
                  counts.add(
                      element.isIntegralNumber() && element.canConvertToInt()
                          ? element.intValue()
                          : 0));
    }
    if (counts.size() != size || !counts.stream().allMatch(n -> n >= 1 && n <= most)) {
      throw wrong(name, "an array of " + size + " whole numbers from 1 to " + most);
    }
    return List.copyOf(counts);
  }

  public Optional<Boolean> flag(String name) {
    return get(name)
        .map(
            value -> {
              if (!value.isBoolean()) {
                throw wrong(name, "true or false");
              }
              return value.booleanValue();
            });
  }

  public boolean flag(String name, boolean otherwise) {
    return flag(name).orElse(otherwise);
  }

  public Optional<JsonFields> object(String name) {
    return get(name)
        .map(
            value -> {
              if (!(value instanceof ObjectNode child)) {
                throw wrong(name, "an object");
              }
              return new JsonFields(child, where + "." + own(name));
            });
  }

  /** An array of strings; empty where absent. */
  public List<String> texts(String name) {
    var texts = new ArrayList<String>();
    get(name)
        .ifPresent(
            value -> {
              if (!value.isArray()) {
                throw wrong(name, "an array of strings");
              }
              for (var element : value) {
                if (!element.isTextual()) {
                  throw wrong(name, "an array of strings");
                }
                texts.add(element.textValue());
              }
            });
    return List.copyOf(texts);
  }

  public String requiredText(String name) {
    return text(name).orElseThrow(() -> wrong(name, "a string"));
  }

  public int requiredInteger(String name) {
    return integer(name).orElseThrow(() -> wrong(name, "a whole number"));
  }
}
