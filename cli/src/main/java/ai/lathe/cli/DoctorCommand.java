package ai.lathe.cli;

import ai.lathe.cli.Check.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code lathe doctor}. */
@Command(
    name = "doctor",
    description = "Checks that this machine has what Lathe needs, and says how fast it is.",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {"0:nothing failed", "1:something that Lathe needs is missing or broken"},
    footerHeading = "%nExamples:%n",
    footer = {"  lathe doctor", "  lathe doctor --json"})
final class DoctorCommand implements Callable<Integer> {

  private final Console console;

  @Option(names = "--json", description = "Print one JSON object instead of lines.")
  private boolean json;

  DoctorCommand(Console console) {
    this.console = console;
  }

  /** The result. */
  record Diagnosis(boolean healthy, List<Check> checks) {}

  @Override
  public Integer call() {
    var checks = new ArrayList<Check>();
    for (Supplier<Check> check : Checks.ALL) {
      var result = check.get();
      checks.add(result);
      if (!json) {
        print(result);
      }
    }
    boolean healthy = checks.stream().noneMatch(check -> check.status() == Status.FAIL);
    if (json) {
      console.json(new Diagnosis(healthy, checks));
    }
    return healthy ? Main.OK : Main.FAILED;
  }

  private void print(Check check) {
    console.print(
        "%-4s  %-10s  %s".formatted(check.status().label(), check.name(), check.finding()));
    if (!check.hint().isEmpty()) {
      console.print(" ".repeat(18) + "-> " + check.hint());
    }
  }
}
