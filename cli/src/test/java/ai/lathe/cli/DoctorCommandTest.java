package ai.lathe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DoctorCommandTest {

  @Test
  void jsonHoldsEveryCheckWithItsHint() {
    var doctor = Invocation.of("doctor", "--json");
    var diagnosis = doctor.json();
    assertThat(diagnosis.get("checks")).hasSize(Checks.ALL.size());
    for (var check : diagnosis.get("checks")) {
      assertThat(check.get("status").asText()).isIn("ok", "warn", "fail");
      assertThat(check.get("finding").asText()).isNotEmpty();
      if (check.get("status").asText().equals("fail")) {
        assertThat(check.get("hint").asText()).isNotEmpty();
      }
    }
    assertThat(doctor.code()).isEqualTo(diagnosis.get("healthy").asBoolean() ? 0 : 1);
  }

  @Test
  void linesSayTheSame() {
    var lines =
        Invocation.of("doctor").out().lines().filter(line -> !line.startsWith(" ")).toList();
    assertThat(lines)
        .hasSize(Checks.ALL.size())
        .allMatch(line -> line.matches("(ok|warn|FAIL) .*"));
  }
}
