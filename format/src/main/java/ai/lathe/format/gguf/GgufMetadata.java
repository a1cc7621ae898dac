package ai.lathe.format.gguf;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.Set;

/**
 * The key-values of a GGUF file, in order; immutable. A key that is absent or of another type is a
 * {@link FormatException} that names it; the {@code find} forms answer empty where it is absent.
 */
public final class GgufMetadata {

  private final String origin;
  private final Map<String, GgufValue> values;

  GgufMetadata(String origin, Map<String, GgufValue> values) {
    this.origin = origin;
    this.values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
  }

  public static Builder builder() {
    return new Builder();
  }

  /** A builder that begins with everything here; a key that is put again keeps its place. */
  public Builder toBuilder() {
    var builder = new Builder();
    builder.values.putAll(values);
    return builder;
  }

  /** In file order. */
  public Set<String> keys() {
    return values.keySet();
  }

  public boolean has(String key) {
    return values.containsKey(key);
  }

  /** The value in whichever type; throws where there is none. */
  public GgufValue value(String key) {
    var value = values.get(key);
    if (value == null) {
      throw new FormatException(origin + " has no key '" + key + "'");
    }
    return value;
  }

  public Map<String, GgufValue> values() {
    return values;
  }

  public String string(String key) {
    return value(key) instanceof GgufValue.Text(String text) ? text : illTyped(key, "a string");
  }

  public Optional<String> findString(String key) {
    return has(key) ? Optional.of(string(key)) : Optional.empty();
  }

  /** Any integer type. A number above 2^63 - 1 is refused. */
  public long integer(String key) {
    if (value(key) instanceof GgufValue.Integer(IntegerType type, long value)) {
      return checked(key, type, value);
    }
    return illTyped(key, "an integer");
  }

  public OptionalLong findInteger(String key) {
    return has(key) ? OptionalLong.of(integer(key)) : OptionalLong.empty();
  }

  /** Any real type, or an integer. */
  public double real(String key) {
    return switch (value(key)) {
      case GgufValue.Real(boolean wide, double value) -> value;
      case GgufValue.Integer integer -> integer(key);
      default -> illTyped(key, "a number");
    };
  }

  public OptionalDouble findReal(String key) {
    return has(key) ? OptionalDouble.of(real(key)) : OptionalDouble.empty();
  }

  public boolean bool(String key) {
    return value(key) instanceof GgufValue.Bool(boolean value) ? value : illTyped(key, "a boolean");
  }

  public Optional<Boolean> findBool(String key) {
    return has(key) ? Optional.of(bool(key)) : Optional.empty();
  }

  public List<String> strings(String key) {
    return switch (value(key)) {
      case GgufValue.Texts(List<String> texts) -> texts;
      case GgufValue.Array array when array.length() == 0 -> List.of();
      default -> illTyped(key, "an array of strings");
    };
  }

  public Optional<List<String>> findStrings(String key) {
    return has(key) ? Optional.of(strings(key)) : Optional.empty();
  }

  /** An array of any integer type. */
  public long[] integers(String key) {
    return switch (value(key)) {
      case GgufValue.Integers(IntegerType type, long[] array) -> {
        for (long value : array) {
          checked(key, type, value);
        }
        yield array.clone();
      }
      case GgufValue.Array array when array.length() == 0 -> new long[0];
      default -> illTyped(key, "an array of integers");
    };
  }

  public Optional<long[]> findIntegers(String key) {
    return has(key) ? Optional.of(integers(key)) : Optional.empty();
  }

  /** An array of any real type. */
  public double[] reals(String key) {
    return switch (value(key)) {
      case GgufValue.Reals(boolean wide, double[] array) -> array.clone();
      case GgufValue.Array array when array.length() == 0 -> new double[0];
      default -> illTyped(key, "an array of reals");
    };
  }

  public Optional<double[]> findReals(String key) {
    return has(key) ? Optional.of(reals(key)) : Optional.empty();
  }

  private long checked(String key, IntegerType type, long value) {
    if (type == IntegerType.U64 && value < 0) {
      throw new FormatException(
          origin
              + ": key '"
              + key
              + "' is "
              + Long.toUnsignedString(value)
              + ", which is too large");
    }
    return value;
  }

  private <T> T illTyped(String key, String wanted) {
    throw new FormatException(
        origin + ": key '" + key + "' should be " + wanted + ", not " + describe(values.get(key)));
  }

  private static String describe(GgufValue value) {
    return switch (value) {
      case GgufValue.Integer integer -> "the integer " + integer.value();
      case GgufValue.Real real -> "the number " + real.value();
      case GgufValue.Bool bool -> "the boolean " + bool.value();
      case GgufValue.Text text -> "a string";
      case GgufValue.Integers integers -> "an array of integers";
      case GgufValue.Reals reals -> "an array of reals";
      case GgufValue.Bools bools -> "an array of booleans";
      case GgufValue.Texts texts -> "an array of strings";
      case GgufValue.Arrays arrays -> "an array of arrays";
    };
  }

  /** Keys in the order of their first put. */
  public static final class Builder {
    private final Map<String, GgufValue> values = new LinkedHashMap<>();

    private Builder() {}

    public Builder put(String key, GgufValue value) {
      if (key.isEmpty()) {
        throw new FormatException("a GGUF key cannot be empty");
      }
      values.put(key, value);
      return this;
    }

    public Builder remove(String key) {
      values.remove(key);
      return this;
    }

    public Builder string(String key, String value) {
      return put(key, new GgufValue.Text(value));
    }

    public Builder u32(String key, long value) {
      return integer(key, IntegerType.U32, value);
    }

    public Builder integer(String key, IntegerType type, long value) {
      checkHolds(key, type, value);
      return put(key, new GgufValue.Integer(type, value));
    }

    public Builder f32(String key, double value) {
      return put(key, new GgufValue.Real(false, (float) value));
    }

    public Builder bool(String key, boolean value) {
      return put(key, new GgufValue.Bool(value));
    }

    public Builder strings(String key, List<String> value) {
      return put(key, new GgufValue.Texts(value));
    }

    public Builder integers(String key, IntegerType type, long... value) {
      for (long element : value) {
        checkHolds(key, type, element);
      }
      return put(key, new GgufValue.Integers(type, value.clone()));
    }

    public Builder f32s(String key, float... value) {
      var wide = new double[value.length];
      for (int i = 0; i < value.length; i++) {
        wide[i] = value[i];
      }
      return put(key, new GgufValue.Reals(false, wide));
    }

    public GgufMetadata build() {
      return new GgufMetadata("metadata", values);
    }

    private static void checkHolds(String key, IntegerType type, long value) {
      if (!type.holds(value)) {
        throw new FormatException("key '" + key + "': " + value + " does not fit " + type);
      }
    }
  }
}
