package ai.lathe.cli;

import ai.lathe.format.Json;
import ai.lathe.model.tokenizer.JsonTokenizer;
import ai.lathe.runtime.provider.Providers;
import java.util.Arrays;
import java.util.Set;

/**
 * What commands that run a model set up once in a process, begun on another thread while the
 * command line is being read: a third of the time to the first token. It only comes sooner; who
 * needs it waits for it, and finds the same failure again.
 */
final class Preparation {

  private static final Set<String> COMMANDS = Set.of("run", "chat", "embed", "bench");

  private Preparation() {}

  static void begin(String[] arguments) {
    if (arguments.length < 2 || !COMMANDS.contains(arguments[0])) {
      return;
    }
    boolean chosen = Arrays.stream(arguments).anyMatch(one -> one.startsWith("--kernels"));
    Thread.ofPlatform()
        .daemon()
        .name("lathe-preparation")
        .start(
            () -> {
              attempt(Json::object);
              if (!chosen) {
                attempt(Providers::choose);
              }
              attempt(JsonTokenizer::loadLibrary);
            });
  }

  private static void attempt(Runnable step) {
    try {
      step.run();
    } catch (RuntimeException | LinkageError e) {
      // The command meets it again, and says so.
    }
  }
}
