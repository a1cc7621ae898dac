package ai.lathe.cli;

import ai.lathe.runtime.TextEncoder;
import ai.lathe.runtime.TextEncoder.TooLong;
import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe embed}. */
@Command(
    name = "embed",
    description = {
      "Prints the embeddings of texts, of length 1: a line of numbers for each text.",
      "States are pooled as the model says, by their mean or the first token's. Prefixes that a"
          + " model wants, such as E5's 'query: ', belong to the text."
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe embed path/to/encoder \"a guitar\" \"an accordion\"",
      "  lathe embed path/to/encoder --file sentences.txt --json",
      "  lathe embed path/to/encoder --similarity \"a guitar\" \"an accordion\" \"a cat\""
    })
final class EmbedCommand implements Callable<Integer> {

  /** Texts that run together. */
  private static final int BATCH = 64;

  private final Console console;

  @Parameters(index = "0", paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Parameters(index = "1..*", paramLabel = "TEXT", description = "Texts to embed.")
  private List<String> texts = new ArrayList<>();

  @Option(
      names = "--file",
      paramLabel = "FILE",
      description = "Further texts, one a line; empty lines are left out.")
  private Optional<Path> file;

  @Option(
      names = "--truncate",
      description = "Cut texts that are longer than the model takes, instead of refusing them.")
  private boolean truncate;

  @Option(
      names = "--similarity",
      description = "Print the cosines between all texts instead of their embeddings.")
  private boolean similarity;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  @Mixin private RuntimeArguments runtime;

  EmbedCommand(Console console) {
    this.console = console;
  }

  /** The result. @param similarity null unless asked for */
  record Embedded(
      String model,
      int dimensions,
      List<String> texts,
      List<float[]> embeddings,
      double[][] similarity) {}

  @Override
  public Integer call() {
    var all = new ArrayList<>(texts);
    file.ifPresent(path -> all.addAll(lines(path)));
    if (all.isEmpty()) {
      throw new LatheException("there are no texts to embed; give some, or --file");
    }
    try (var encoder = TextEncoder.open(model, runtime.options(), console.progress())) {
      var embeddings = new ArrayList<float[]>();
      for (int from = 0; from < all.size(); from += BATCH) {
        var batch = all.subList(from, Math.min(all.size(), from + BATCH));
        embeddings.addAll(encoder.embed(batch, truncate ? TooLong.TRUNCATE : TooLong.REFUSE));
      }
      if (json) {
        var cosines = similarity ? cosines(embeddings) : null;
        console.json(new Embedded(model, encoder.dimensions(), all, embeddings, cosines));
      } else if (similarity) {
        for (var row : cosines(embeddings)) {
          console.print(join(row, "%7.4f"));
        }
      } else {
        embeddings.forEach(embedding -> console.print(join(wide(embedding), "%.7g")));
      }
    }
    return Main.OK;
  }

  private static List<String> lines(Path path) {
    try {
      return Files.readAllLines(path).stream().filter(line -> !line.isBlank()).toList();
    } catch (MalformedInputException e) {
      throw new LatheException(path + " is not UTF-8 text", e);
    } catch (IOException e) {
      throw new LatheException("cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private static double[][] cosines(List<float[]> embeddings) {
    return embeddings.stream()
        .map(a -> embeddings.stream().mapToDouble(b -> dot(a, b)).toArray())
        .toArray(double[][]::new);
  }

  private static double dot(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> (double) a[i] * b[i]).sum();
  }

  private static double[] wide(float[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray();
  }

  private static String join(double[] values, String format) {
    return java.util.Arrays.stream(values)
        .mapToObj(value -> String.format(Locale.ROOT, format, value))
        .collect(Collectors.joining(" "));
  }
}
