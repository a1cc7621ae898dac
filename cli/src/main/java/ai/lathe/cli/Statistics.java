package ai.lathe.cli;

import ai.lathe.runtime.generation.FinishReason;
import ai.lathe.runtime.generation.Generation;
import java.util.ArrayList;
import java.util.List;

/** How a text came about, as lines for people. */
final class Statistics {

  private Statistics() {}

  static List<String> of(Generation generation) {
    var lines = new ArrayList<String>();
    int read = generation.promptTokens() - generation.reusedTokens();
    lines.add(
        "prompt  %s%s"
            .formatted(
                rate(read, generation.promptSeconds()),
                generation.reusedTokens() == 0
                    ? ""
                    : "; " + generation.reusedTokens() + " more were read before"));
    lines.add(
        "output  %s; ended by %s"
            .formatted(
                rate(generation.tokens().size(), generation.outputSeconds()), end(generation)));
    var speculation = generation.speculation();
    if (speculation.drafted() > 0) {
      lines.add(
          "draft   %d of %d proposed tokens accepted: acceptance rate %s, EAR %s"
              .formatted(
                  speculation.accepted(),
                  speculation.drafted(),
                  Sizes.number(speculation.acceptance(), 4),
                  Sizes.number(speculation.expected(), 4)));
    }
    return lines;
  }

  private static String rate(int tokens, double seconds) {
    var line = "%d tokens in %s s".formatted(tokens, Sizes.number(seconds, 3));
    return seconds > 0 ? line + ", " + Sizes.number(tokens / seconds, 1) + " tokens/s" : line;
  }

  private static String end(Generation generation) {
    FinishReason reason = generation.reason();
    return switch (reason) {
      case END -> "the model";
      case STOP -> "the stop string '" + generation.stop().orElse("") + "'";
      case LENGTH -> "the number of tokens asked for";
      case CONTEXT -> "the end of the context";
      case CANCELLED -> "the user";
    };
  }
}
