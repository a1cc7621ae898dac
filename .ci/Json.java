import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;

/** Reads standard input, which must be JSON and nothing else, and prints the value at a pointer. */
final class Json {

  public static void main(String[] arguments) throws Exception {
    var json =
        JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build()
            .readTree(System.in.readAllBytes());
    var value = json.at(arguments[0]);
    if (value.isMissingNode()) {
      System.err.println("there is nothing at " + arguments[0]);
      System.exit(1);
    }
    System.out.println(value.asText());
  }
}
