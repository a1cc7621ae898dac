package ai.lathe.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command {@code lathe}. */
@Command(
    name = "lathe",
    description =
        "Makes transformers smaller and faster to a stated budget, and proves how faithful the"
            + " result is.",
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:success",
      "1:a failure inside Lathe, or the machine ran out of something",
      "2:a mistake in the command line or bad input; nothing was written"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe demo",
      "  lathe run model.gguf -p \"Once upon a time\" -n 64",
      "  lathe chat model.gguf",
      "  lathe inspect model.gguf",
      "  lathe compress path/to/model -o small --scheme W4A16 --data text.txt",
      "  lathe eval small --data heldout.txt --reference path/to/model",
      "  lathe convert small -o small.gguf --type Q8_0"
    })
final class Main implements Runnable {

  /** How commands end. */
  static final int OK = 0;

  static final int FAILED = 1;
  static final int BAD_INPUT = 2;

  /** By name, in the order in which help shows them. */
  private static final Map<String, Function<Console, Callable<Integer>>> COMMANDS = commands();

  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      scope = ScopeType.INHERIT,
      description = "Show this help and exit.")
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Print the versions of Lathe and Java and exit.")
  private boolean version;

  @Option(
      names = "--verbose",
      scope = ScopeType.INHERIT,
      description = "On failure, print where it happened; log what the libraries say.")
  private boolean verbose;

  private Main() {}

  /** Runs one command and ends the process with its exit code. */
  public static void main(String[] arguments) {
    StandardError.restore();
    if (Arrays.asList(arguments).contains("--verbose")) {
      System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "info");
    }
    var out =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    // Standard output is for results alone: what a library prints there goes to standard error.
    System.setOut(System.err);
    Preparation.begin(arguments);
    int code =
        commandLine(new Console(out, System.err, Integer.getInteger("lathe.columns", 0)), arguments)
            .execute(arguments);
    out.flush();
    System.exit(code);
  }

  /** The whole command line over one console. */
  static CommandLine commandLine(Console console) {
    return commandLine(console, COMMANDS.keySet());
  }

  /**
   * What these arguments need of it: describing all commands to the parser takes longer than many a
   * command. Help, completion and messages on wrong names need them all.
   */
  static CommandLine commandLine(Console console, String[] arguments) {
    var named = arguments.length == 0 ? "" : arguments[0];
    return COMMANDS.containsKey(named) && !named.equals("completion")
        ? commandLine(console, Set.of(named))
        : commandLine(console);
  }

  private static CommandLine commandLine(Console console, Set<String> names) {
    var main = new Main();
    var line = new CommandLine(main);
    COMMANDS.forEach(
        (name, command) -> {
          if (names.contains(name)) {
            line.addSubcommand(command.apply(console));
          }
        });
    var failures = new Failures(console);
    return line.setOut(console.writer())
        .setErr(console.errorWriter())
        .setUsageHelpAutoWidth(false)
        .setUsageHelpWidth(100)
        .setUsageHelpLongOptionsMaxWidth(28)
        .setParameterExceptionHandler(failures)
        .setExecutionExceptionHandler((e, command, result) -> failures.report(e, main.verbose));
  }

  private static Map<String, Function<Console, Callable<Integer>>> commands() {
    var commands = new LinkedHashMap<String, Function<Console, Callable<Integer>>>();
    commands.put("demo", DemoCommand::new);
    commands.put("run", RunCommand::new);
    commands.put("chat", ChatCommand::new);
    commands.put("embed", EmbedCommand::new);
    commands.put("inspect", InspectCommand::new);
    commands.put("compress", CompressCommand::new);
    commands.put("search", SearchCommand::new);
    commands.put("compare", CompareCommand::new);
    commands.put("report", ReportCommand::new);
    commands.put("eval", EvalCommand::new);
    commands.put("convert", ConvertCommand::new);
    commands.put("imatrix", ImatrixCommand::new);
    commands.put("bench", BenchCommand::new);
    commands.put("doctor", DoctorCommand::new);
    commands.put("completion", CompletionCommand::new);
    return commands;
  }

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }

  /** The version that the build wrote into the jar. */
  static final class Version implements CommandLine.IVersionProvider {

    static String number() {
      var number = Main.class.getPackage().getImplementationVersion();
      return number == null ? "development build" : number;
    }

    @Override
    public String[] getVersion() {
      return new String[] {
        "lathe " + number(), "Java " + Runtime.version() + " on " + System.getProperty("os.name")
      };
    }
  }
}
