package ai.lathe.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DoubleNode;
import com.fasterxml.jackson.databind.node.IntNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How an architecture's {@code config.json} differs from Llama's.
 *
 * @param names what it calls a field that Llama calls otherwise: {@code hidden_size} is {@code
 *     n_embd} in GPT-2
 * @param defaults values of fields, by their own names, that it may leave out
 * @param reads fields that change what is computed, by Llama's names, and that this architecture
 *     has; any other is refused with them
 * @param required values, as text, that a field must have where it is stated
 * @param equal fields that must be as large as another one where they are stated
 * @param nested the object that holds the text model's fields in models of several parts, or null
 * @param biases fields that, where they are true, give linears a bias that they otherwise have not,
 *     and of which roles: all of them must then have one
 */
public record Dialect(
    Map<String, String> names,
    Map<String, JsonNode> defaults,
    List<String> reads,
    Map<String, String> required,
    Map<String, String> equal,
    String nested,
    Map<String, Set<Role>> biases) {

  static final Dialect LLAMA =
      new Dialect(Map.of(), Map.of(), List.of(), Map.of(), Map.of(), null, Map.of());

  /** Its own name of a field. */
  public String name(String field) {
    return names.getOrDefault(field, field);
  }

  /** It calls {@code field} otherwise. */
  Dialect calls(String field, String own) {
    return new Dialect(with(names, field, own), defaults, reads, required, equal, nested, biases);
  }

  /** A field, by its own name, that may be absent. */
  Dialect otherwise(String own, int value) {
    return otherwise(own, IntNode.valueOf(value));
  }

  Dialect otherwise(String own, double value) {
    return otherwise(own, DoubleNode.valueOf(value));
  }

  Dialect otherwise(String own, boolean value) {
    return otherwise(own, BooleanNode.valueOf(value));
  }

  private Dialect otherwise(String own, JsonNode value) {
    return new Dialect(names, with(defaults, own, value), reads, required, equal, nested, biases);
  }

  Dialect alsoReads(String... fields) {
    var all = new ArrayList<>(reads);
    all.addAll(List.of(fields));
    return new Dialect(names, defaults, List.copyOf(all), required, equal, nested, biases);
  }

  /** No other value of a field, by its own name, is supported. */
  Dialect requires(String own, String value) {
    return new Dialect(names, defaults, reads, with(required, own, value), equal, nested, biases);
  }

  /** Only models are supported where these two fields are the same. */
  Dialect requiresEqual(String own, String other) {
    return new Dialect(names, defaults, reads, required, with(equal, own, other), nested, biases);
  }

  Dialect nestedIn(String object) {
    return new Dialect(names, defaults, reads, required, equal, object, biases);
  }

  /** A field that gives these linears a bias. */
  Dialect biased(String field, Role... roles) {
    var all = with(biases, field, Set.of(roles));
    return new Dialect(names, defaults, reads, required, equal, nested, all);
  }

  private static <V> Map<String, V> with(Map<String, V> map, String key, V value) {
    var copy = new LinkedHashMap<>(map);
    copy.put(key, value);
    return Collections.unmodifiableMap(copy);
  }
}
