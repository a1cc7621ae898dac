package ai.lathe.bench;

import ai.lathe.runtime.RuntimeOptions;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.tensor.Progress;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Greedy text beside another program's, for {@code tools/check_llama_text.sh}.
 *
 * <pre>
 *   prompts MODEL           prints the token ids of a few prompts as JSON
 *   compare MODEL FILE      fails where a continuation differs from the file's
 * </pre>
 */
public final class GreedyText {

  private static final List<String> PROMPTS =
      List.of("Once upon a time", "The first", "Lily and Tom", "One day, a");

  private GreedyText() {}

  public static void main(String[] arguments) throws IOException {
    var options = RuntimeOptions.DEFAULT;
    try (var model = TextModel.open(arguments[1], options, Progress.NONE)) {
      var json = new JsonMapper();
      if (arguments[0].equals("prompts")) {
        var prompts = PROMPTS.stream().map(text -> model.tokens(text, true)).toList();
        System.out.println(json.writeValueAsString(prompts));
        return;
      }
      boolean same = true;
      for (var one : json.readTree(Path.of(arguments[2]).toFile())) {
        var prompt = json.convertValue(one.get("prompt"), int[].class);
        var expected = json.convertValue(one.get("output"), int[].class);
        var generation =
            model.generate(
                prompt,
                GenerationOptions.greedy().withMaxTokens(expected.length).withIgnoreEnd(true),
                GenerationListener.NONE);
        var tokens = new ArrayList<Integer>();
        Arrays.stream(expected).forEach(tokens::add);
        boolean equal = generation.tokens().equals(tokens);
        same &= equal;
        System.out.println(
            (equal ? "same   " : "OTHER  ") + model.text(prompt) + " | " + generation.text());
      }
      System.exit(same ? 0 : 1);
    }
  }
}
