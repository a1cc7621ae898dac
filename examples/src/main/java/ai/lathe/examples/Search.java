package ai.lathe.examples;

import ai.lathe.model.chat.Message;
import ai.lathe.runtime.TextEncoder;
import ai.lathe.runtime.TextEncoder.TooLong;
import ai.lathe.runtime.TextModel;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Answers a question from a text: an encoder finds the paragraph that is nearest to the question,
 * and a chat model answers from it, or a plain one goes on behind it.
 *
 * <p>{@code Search ENCODER MODEL TEXT-FILE QUESTION}
 */
public final class Search {

  private record Paragraph(String text, float[] embedding) {}

  private Search() {}

  public static void main(String[] arguments) throws IOException {
    if (arguments.length != 4) {
      System.err.println("usage: Search ENCODER MODEL TEXT-FILE QUESTION");
      System.exit(2);
    }
    try {
      answer(arguments[0], arguments[1], Path.of(arguments[2]), arguments[3]);
    } catch (LatheException e) {
      // One line that says what is wrong.
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  private static void answer(String encoder, String model, Path file, String question)
      throws IOException {
    var found = nearest(encoder, file, question);
    System.out.println("> " + found + "\n");
    var options = GenerationOptions.greedy().withMaxTokens(100);
    try (var opened = TextModel.open(model)) {
      if (opened.canChat()) {
        var messages =
            List.of(
                Message.system("Answer from this text, in one sentence: " + found),
                Message.user(question));
        System.out.println(opened.chat(messages, options).text());
      } else {
        var prompt = found + "\n\nQuestion: " + question + "\nAnswer:";
        opened.generate(prompt, options.withStops(List.of("\n")), System.out::print);
        System.out.println();
      }
    }
  }

  private static String nearest(String model, Path file, String question) throws IOException {
    try (var encoder = TextEncoder.open(model)) {
      var texts =
          Files.readString(file).lines().map(String::strip).filter(t -> !t.isEmpty()).toList();
      if (texts.isEmpty()) {
        throw new LatheException(file + " has no text");
      }
      var embeddings = encoder.embed(texts, TooLong.TRUNCATE);
      var paragraphs = new ArrayList<Paragraph>();
      for (int i = 0; i < texts.size(); i++) {
        paragraphs.add(new Paragraph(texts.get(i), embeddings.get(i)));
      }
      var asked = encoder.embed(question);
      return paragraphs.stream()
          .max(Comparator.comparingDouble(p -> dot(p.embedding(), asked)))
          .orElseThrow()
          .text();
    }
  }

  /** Embeddings have length 1: this is their cosine. */
  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += a[i] * b[i];
    }
    return sum;
  }
}
