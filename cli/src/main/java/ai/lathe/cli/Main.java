package ai.lathe.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
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
    int code =
        commandLine(new Console(out, System.err, Integer.getInteger("lathe.columns", 0)))
            .execute(arguments);
    out.flush();
    System.exit(code);
  }

  /** The whole command line over one console. */
  static CommandLine commandLine(Console console) {
    var main = new Main();
    var line =
        new CommandLine(main)
            .addSubcommand(new DemoCommand(console))
            .addSubcommand(new RunCommand(console))
            .addSubcommand(new InspectCommand(console))
            .addSubcommand(new CompressCommand(console))
            .addSubcommand(new CompareCommand(console))
            .addSubcommand(new EvalCommand(console))
            .addSubcommand(new EmbedCommand(console))
            .addSubcommand(new ConvertCommand(console))
            .addSubcommand(new ImatrixCommand(console))
            .addSubcommand(new BenchCommand(console))
            .addSubcommand(new DoctorCommand(console))
            .addSubcommand(new CompletionCommand(console));
    var failures = new Failures(console);
    return line.setOut(console.writer())
        .setErr(console.errorWriter())
        .setUsageHelpAutoWidth(false)
        .setUsageHelpWidth(100)
        .setUsageHelpLongOptionsMaxWidth(28)
        .setParameterExceptionHandler(failures)
        .setExecutionExceptionHandler((e, command, result) -> failures.report(e, main.verbose));
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
