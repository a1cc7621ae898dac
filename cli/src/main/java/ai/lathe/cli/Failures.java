package ai.lathe.cli;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns every failure into one line for the person at the keyboard and an exit code. */
final class Failures implements IParameterExceptionHandler {

  private final Console console;

  Failures(Console console) {
    this.console = console;
  }

  @Override
  public int handleParseException(ParameterException e, String[] arguments) {
    console.say("lathe: " + mistake(e) + hint(e.getCommandLine()));
    return Main.BAD_INPUT;
  }

  int report(Throwable e, boolean verbose) {
    if (verbose) {
      e.printStackTrace(console.err());
    }
    switch (e) {
      case ParameterException mistake -> {
        return handleParseException(mistake, new String[0]);
      }
      case LatheException ours -> {
        console.say("lathe: " + ours.getMessage());
        return Main.BAD_INPUT;
      }
      case OutOfMemoryError memory ->
          console.say(
              "lathe: out of memory ("
                  + memory.getMessage()
                  + "); allow Java more with LATHE_OPTS=-Xmx8g, for example");
      case UncheckedIOException io -> console.say("lathe: " + describe(io.getCause()));
      case IOException io -> console.say("lathe: " + describe(io));
      default ->
          console.say(
              "lathe: failed inside: "
                  + e
                  + (verbose ? "" : " (--verbose shows where; please report it)"));
    }
    return Main.FAILED;
  }

  /** The messages of file system exceptions are often the bare file name. */
  private static String describe(IOException e) {
    var kind = e.getClass().getSimpleName().replace("Exception", "");
    return (kind.equals("IO") ? "" : kind + ": ") + e.getMessage();
  }

  private static String mistake(ParameterException e) {
    if (e instanceof UnmatchedArgumentException unmatched && !unmatched.getUnmatched().isEmpty()) {
      var given = unmatched.getUnmatched().getFirst();
      var line = e.getCommandLine();
      if (given.startsWith("-")) {
        return LatheException.unknown("option", given.split("=")[0], options(line)).getMessage();
      }
      if (!line.getSubcommands().isEmpty()) {
        return LatheException.unknown("command", given, line.getSubcommands().keySet())
            .getMessage();
      }
      return "one argument too many: '" + given + "'";
    }
    var message = e.getMessage().lines().findFirst().orElse("a mistake in the command line");
    return Character.toLowerCase(message.charAt(0)) + message.substring(1);
  }

  private static List<String> options(CommandLine line) {
    var names = new ArrayList<String>();
    for (var option : line.getCommandSpec().options()) {
      if (!option.hidden()) {
        names.add(option.longestName());
      }
    }
    return names;
  }

  private static String hint(CommandLine line) {
    return " (see " + line.getCommandSpec().qualifiedName() + " --help)";
  }
}
