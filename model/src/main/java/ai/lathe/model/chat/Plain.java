package ai.lathe.model.chat;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Values as templates take them: JSON and Java's own, copied, and nothing else let through. */
final class Plain {

  private Plain() {}

  static Object of(Object value) {
    return switch (value) {
      case null -> null;
      case JsonNode json -> of(json);
      case String text -> text;
      case Boolean flag -> flag;
      case Byte number -> number.longValue();
      case Short number -> number.longValue();
      case Integer number -> number.longValue();
      case Long number -> number;
      case BigInteger number -> number;
      case Float number -> Double.parseDouble(number.toString());
      case Double number -> number;
      case List<?> list -> {
        var copy = new ArrayList<Object>(list.size());
        list.forEach(item -> copy.add(of(item)));
        yield copy;
      }
      case Map<?, ?> map -> {
        var copy = new LinkedHashMap<Object, Object>();
        map.forEach((key, item) -> copy.put(String.valueOf(key), of(item)));
        yield copy;
      }
      default ->
          throw new LatheException(
              "a chat template takes JSON values, not " + value.getClass().getSimpleName());
    };
  }

  private static Object of(JsonNode json) {
    return switch (json.getNodeType()) {
      case STRING -> json.textValue();
      case BOOLEAN -> json.booleanValue();
      case NUMBER ->
          !json.isIntegralNumber()
              ? (Object) json.doubleValue()
              : json.canConvertToLong() ? (Object) json.longValue() : json.bigIntegerValue();
      case ARRAY -> {
        var list = new ArrayList<Object>(json.size());
        json.forEach(item -> list.add(of(item)));
        yield list;
      }
      case OBJECT -> {
        var map = new LinkedHashMap<Object, Object>();
        json.properties().forEach(entry -> map.put(entry.getKey(), of(entry.getValue())));
        yield map;
      }
      default -> null;
    };
  }
}
