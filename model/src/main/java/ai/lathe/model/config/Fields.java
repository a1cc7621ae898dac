package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The fields of a JSON object that nobody vouches for. A field that is null counts as absent.
 *
 * @param where names the file in messages
 */
record Fields(ObjectNode node, String where) {

  /** Absent and null are one. */
  Optional<JsonNode> get(String key) {
    var value = node.get(key);
    return value == null || value.isNull() ? Optional.empty() : Optional.of(value);
  }

  boolean has(String key) {
    return get(key).isPresent();
  }

  /** A whole number from 1 to {@code most}. */
  int count(String key, int most) {
    return optionalCount(key, most)
        .orElseThrow(() -> new FormatException(where + ": '" + key + "' is missing"));
  }

  int count(String key, int most, int otherwise) {
    return optionalCount(key, most).orElse(otherwise);
  }

  OptionalInt optionalCount(String key, int most) {
    return whole(key, 1, most);
  }

  /** A token id, or the first of a list of them. */
  OptionalInt token(String key) {
    var list = get(key).filter(JsonNode::isArray);
    if (list.isPresent()) {
      return list.get().isEmpty() ? OptionalInt.empty() : whole(key, list.get().get(0), -1);
    }
    return whole(key, -1, Integer.MAX_VALUE);
  }

  private OptionalInt whole(String key, JsonNode value, int least) {
    if (!value.canConvertToInt() || !value.isIntegralNumber() || value.intValue() < least) {
      throw wrong(key, value, "a token id");
    }
    return value.intValue() < 0 ? OptionalInt.empty() : OptionalInt.of(value.intValue());
  }

  private OptionalInt whole(String key, int least, int most) {
    var value = get(key);
    if (value.isEmpty()) {
      return OptionalInt.empty();
    }
    // Some exporters write 4096.0 for 4096.
    var number = value.get();
    if (!number.isNumber()
        || number.doubleValue() != Math.rint(number.doubleValue())
        || number.doubleValue() < least
        || number.doubleValue() > most) {
      throw wrong(key, number, "a whole number from " + least + " to " + most);
    }
    return number.intValue() < 0 ? OptionalInt.empty() : OptionalInt.of(number.intValue());
  }

  /** A finite number greater than 0. */
  double positive(String key, double otherwise) {
    var value = get(key);
    return value.isPresent() ? positive(key, value.get()) : otherwise;
  }

  double positive(String key) {
    return positive(
        key, get(key).orElseThrow(() -> new FormatException(where + ": '" + key + "' is missing")));
  }

  private double positive(String key, JsonNode value) {
    double number = value.doubleValue();
    if (!value.isNumber() || !(number > 0) || Double.isInfinite(number)) {
      throw wrong(key, value, "a number greater than 0");
    }
    return number;
  }

  boolean flag(String key, boolean otherwise) {
    var value = get(key);
    if (value.isPresent() && !value.get().isBoolean()) {
      throw wrong(key, value.get(), "true or false");
    }
    return value.map(JsonNode::booleanValue).orElse(otherwise);
  }

  Optional<String> text(String key) {
    var value = get(key);
    if (value.isPresent() && !value.get().isTextual()) {
      throw wrong(key, value.get(), "a text");
    }
    return value.map(JsonNode::textValue);
  }

  Optional<Fields> object(String key) {
    var value = get(key);
    if (value.isPresent() && !value.get().isObject()) {
      throw wrong(key, value.get(), "an object");
    }
    return value.map(object -> new Fields((ObjectNode) object, where + ": " + key));
  }

  FormatException wrong(String key, JsonNode value, String expected) {
    var shown = value.toString();
    return new FormatException(
        where
            + ": '"
            + key
            + "' is "
            + (shown.length() > 60 ? shown.substring(0, 60) + "..." : shown)
            + "; expected "
            + expected);
  }
}
