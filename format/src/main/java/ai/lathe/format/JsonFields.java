package ai.lathe.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Typed reading of an object's fields. A field that is null counts as absent. Every failure is a
 * {@link FormatException} that names the file and the path of the field.
 *
 * @param where the file, and the path to this object within it
 */
public record JsonFields(ObjectNode object, String where) {

  private Optional<JsonNode> find(String name) {
    var value = object.get(name);
    return value == null || value.isNull() ? Optional.empty() : Optional.of(value);
  }

  private FormatException wrong(String name, String expected) {
    var value = object.get(name);
    return new FormatException(
        where
            + ": '"
            + name
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
    return find(name)
        .map(
            value -> {
              if (!value.isTextual()) {
                throw wrong(name, "a string");
              }
              return value.textValue();
            });
  }

  public OptionalInt integer(String name) {
    var value = find(name);
    if (value.isEmpty()) {
      return OptionalInt.empty();
    }
    if (!value.get().isIntegralNumber() || !value.get().canConvertToInt()) {
      throw wrong(name, "a whole number of 32 bits");
    }
    return OptionalInt.of(value.get().intValue());
  }

  public Optional<Boolean> flag(String name) {
    return find(name)
        .map(
            value -> {
              if (!value.isBoolean()) {
                throw wrong(name, "true or false");
              }
              return value.booleanValue();
            });
  }

  public Optional<JsonFields> object(String name) {
    return find(name)
        .map(
            value -> {
              if (!(value instanceof ObjectNode child)) {
                throw wrong(name, "an object");
              }
              return new JsonFields(child, where + "." + name);
            });
  }

  /** An array of strings; empty where absent. */
  public List<String> texts(String name) {
    var texts = new ArrayList<String>();
    find(name)
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
