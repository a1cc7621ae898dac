package ai.lathe.cli;

import ai.lathe.model.BlockWidths;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.checkpoint.Checkpoints;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.ToIntFunction;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe inspect}. */
@Command(
    name = "inspect",
    description = "Says what a model is made of: architecture, sizes, how each tensor is stored.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe inspect path/to/model",
      "  lathe inspect model.gguf --tensors",
      "  lathe inspect org/name --json"
    })
final class InspectCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = "--tensors",
      description = "List every tensor, not one line for all that look the same.")
  private boolean tensors;

  @Option(
      names = "--zeros",
      description =
          "Count the zeros of every matrix, for which all are read; else those that masks tell.")
  private boolean zeros;

  @Option(names = "--json", description = "Print one JSON object: the same, and every tensor.")
  private boolean json;

  InspectCommand(Console console) {
    this.console = console;
  }

  /**
   * The result.
   *
   * @param bytes of the model's files
   * @param weightBytes of the tensors in them
   * @param bitsPerWeight the latter in bits, by parameters
   * @param zeros weights that are exactly zero, in matrices of which that is known
   * @param sparsity their share in these matrices; null where it is known of none
   * @param tokenizer null where there is none
   */
  record Inspection(
      String model,
      String format,
      String architecture,
      String kind,
      long parameters,
      long bytes,
      long weightBytes,
      double bitsPerWeight,
      long zeros,
      Double sparsity,
      Dimensions config,
      Vocabulary tokenizer,
      List<Inventory.Entry> tensors) {}

  /**
   * Those numbers of a {@link ModelConfig} that describe the network.
   *
   * @param experts null where there are none
   * @param widths of each block, where some are narrower than these numbers say; else null
   */
  record Dimensions(
      int hidden,
      int blocks,
      int heads,
      int keyValueHeads,
      int headSize,
      int feedForward,
      Mixture experts,
      List<BlockWidths> widths,
      int vocabulary,
      int context,
      boolean tiedEmbeddings,
      String dtype) {

    static Dimensions of(ModelConfig config) {
      return new Dimensions(
          config.hidden(),
          config.blocks(),
          config.heads(),
          config.keyValueHeads(),
          config.headSize(),
          config.feedForward(),
          config.experts().isPresent() ? Mixture.of(config) : null,
          config.widths().isEmpty() ? null : config.widths(),
          config.vocabulary(),
          config.context(),
          config.tiedEmbeddings(),
          config.dtype().name());
    }
  }

  /** A mixture of experts, in those blocks that have one. */
  record Mixture(int count, int perToken, int feedForward, int blocks) {

    static Mixture of(ModelConfig config) {
      var experts = config.experts().orElseThrow();
      int blocks = config.blocks() - experts.denseBlocks().size();
      return new Mixture(experts.count(), experts.perToken(), experts.feedForward(), blocks);
    }
  }

  /** The tokenizer, as far as anybody asks. */
  record Vocabulary(int vocabulary) {}

  @Override
  public Integer call() {
    try (var checkpoint = Checkpoints.open(model, console.progress())) {
      var inventory = Inventory.of(checkpoint, zeros);
      var inspection = inspect(model, checkpoint, inventory);
      if (json) {
        console.json(inspection);
      } else {
        print(inspection, inventory);
      }
    }
    return Main.OK;
  }

  private static Inspection inspect(String model, Checkpoint checkpoint, Inventory inventory) {
    long weights = inventory.weightsWithKnownZeros();
    return new Inspection(
        model,
        checkpoint.format(),
        checkpoint.architecture().name(),
        checkpoint.architecture().kind().name().toLowerCase(Locale.ROOT),
        inventory.parameters(),
        checkpoint.bytes(),
        inventory.weightBytes(),
        inventory.bitsPerWeight(),
        inventory.zeros(),
        weights == 0 ? null : (Double) ((double) inventory.zeros() / weights),
        Dimensions.of(checkpoint.config()),
        checkpoint.tokenizer().map(Tokenizer::vocabularySize).map(Vocabulary::new).orElse(null),
        inventory.tensors());
  }

  private void print(Inspection found, Inventory inventory) {
    var config = found.config();
    line("model", found.model());
    line("format", found.format());
    line("architecture", found.architecture() + ", " + found.kind());
    line(
        "dimensions",
        "%d blocks, hidden %d, feed-forward %d, %d heads (%d for keys and values) of %d"
            .formatted(
                config.blocks(),
                config.hidden(),
                config.feedForward(),
                config.heads(),
                config.keyValueHeads(),
                config.headSize()));
    if (config.widths() != null) {
      line(
          "widths",
          "feed-forward %s, query and key heads %s, value heads %s"
              .formatted(
                  range(config.widths(), BlockWidths::feedForward),
                  range(config.widths(), BlockWidths::keySize),
                  range(config.widths(), BlockWidths::valueSize)));
    }
    if (config.experts() != null) {
      line(
          "experts",
          "%d in each of %d blocks, %d for a token, feed-forward %d"
              .formatted(
                  config.experts().count(),
                  config.experts().blocks(),
                  config.experts().perToken(),
                  config.experts().feedForward()));
    }
    line(
        "vocabulary",
        Sizes.count(config.vocabulary())
            + (config.tiedEmbeddings() ? ", output tied to the embedding" : ""));
    line("context", Sizes.count(config.context()));
    line(
        "tokenizer",
        found.tokenizer() == null
            ? "none"
            : Sizes.count(found.tokenizer().vocabulary()) + " tokens");
    line("parameters", Sizes.count(found.parameters()));
    line(
        "size",
        "%s bytes (%s), %s bits per weight"
            .formatted(
                Sizes.count(found.bytes()),
                Sizes.bytes(found.bytes()),
                Sizes.number(found.bitsPerWeight(), 2)));
    if (found.sparsity() != null) {
      line(
          "sparsity",
          "%s of %s weights are zero (%s)"
              .formatted(
                  Sizes.count(found.zeros()),
                  Sizes.count(inventory.weightsWithKnownZeros()),
                  percent(found.sparsity())));
    }
    console.print("");
    table(inventory).lines().forEach(console::print);
  }

  /** From the narrowest block to the widest. */
  private static String range(List<BlockWidths> blocks, ToIntFunction<BlockWidths> width) {
    var all = blocks.stream().mapToInt(width).summaryStatistics();
    return all.getMin() == all.getMax()
        ? "of " + all.getMin()
        : "of %d to %d".formatted(all.getMin(), all.getMax());
  }

  private void line(String name, String value) {
    console.print("%-13s %s".formatted(name, value));
  }

  private static String percent(double share) {
    return Double.isNaN(share) ? "" : Sizes.number(100 * share, 2) + " %";
  }

  private Table table(Inventory inventory) {
    boolean known = inventory.weightsWithKnownZeros() > 0;
    if (tensors) {
      var table = table(known, "tensor", "shape", "stored as", "bytes");
      for (var tensor : inventory.tensors()) {
        var share =
            tensor.zeros() == null ? Double.NaN : (double) tensor.zeros() / tensor.elements();
        row(
            table,
            known,
            share,
            tensor.name(),
            Sizes.shape(tensor.shape()),
            tensor.encoding(),
            Sizes.count(tensor.bytes()));
      }
      return table;
    }
    var table = table(known, "role", "shape", "stored as", "tensors", "bytes");
    for (var group : inventory.groups()) {
      row(
          table,
          known,
          group.sparsity(),
          group.role(),
          group.shape(),
          group.encoding(),
          Integer.toString(group.tensors()),
          Sizes.count(group.bytes()));
    }
    return table;
  }

  /** With a column of zeros where anything is known of them. */
  private static Table table(boolean known, String... columns) {
    return new Table(known ? with(columns, "zeros") : columns);
  }

  private static void row(Table table, boolean known, double sparsity, String... cells) {
    table.row(known ? with(cells, percent(sparsity)) : cells);
  }

  private static String[] with(String[] cells, String last) {
    var all = Arrays.copyOf(cells, cells.length + 1);
    all[cells.length] = last;
    return all;
  }
}
