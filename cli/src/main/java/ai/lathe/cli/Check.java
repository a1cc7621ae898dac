package ai.lathe.cli;

import com.fasterxml.jackson.annotation.JsonValue;

/**
 * One finding about the machine.
 *
 * @param hint what to do about it; empty where all is well
 */
record Check(String name, Status status, String finding, String hint) {

  enum Status {
    OK("ok"),
    WARN("warn"),
    FAIL("FAIL");

    private final String label;

    Status(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }

    @JsonValue
    String json() {
      return label.toLowerCase(java.util.Locale.ROOT);
    }
  }

  static Check ok(String name, String finding) {
    return new Check(name, Status.OK, finding, "");
  }

  static Check warn(String name, String finding, String hint) {
    return new Check(name, Status.WARN, finding, hint);
  }

  static Check fail(String name, String finding, String hint) {
    return new Check(name, Status.FAIL, finding, hint);
  }
}
