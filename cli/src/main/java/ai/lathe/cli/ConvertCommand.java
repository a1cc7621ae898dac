package ai.lathe.cli;

import ai.lathe.compress.calibration.Importance;
import ai.lathe.compress.plan.Machine;
import ai.lathe.compress.plan.Planner;
import ai.lathe.compress.plan.Target;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.checkpoint.CheckpointPlan;
import ai.lathe.model.checkpoint.CheckpointWriters;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lathe convert}. */
@Command(
    name = "convert",
    description = {
      "Writes a model in another format, rounding to the nearest where the type is smaller.",
      "For four bits and fewer prefer 'lathe compress', which calibrates and measures."
    },
    sortOptions = false,
    footerHeading = "%nExamples:%n",
    footer = {
      "  lathe convert path/to/model -o model.gguf --type Q8_0",
      "  lathe convert path/to/model -o model.gguf --type Q3_K --imatrix model.imatrix.gguf",
      "  lathe convert model.gguf -o path/to/model --type BF16",
      "  lathe convert encoder.onnx -o encoder --json",
      "  lathe convert model.gguf -o rotated --rotate hadamard --seed 1"
    })
final class ConvertCommand implements Callable<Integer> {

  private final Console console;

  @Parameters(paramLabel = "MODEL", description = Descriptions.MODEL)
  private String model;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "OUT",
      description =
          "A .gguf file, a .safetensors file (its configuration is put beside it), or a directory in"
              + " Hugging Face layout.")
  private Path output;

  @Option(
      names = "--type",
      paramLabel = "TYPE",
      description =
          "Of the matrices: ${COMPLETION-CANDIDATES}; those after BF16 in GGUF files alone."
              + " Default: each stays as it is where OUT can hold that, and else gets the model's"
              + " own element type; F32 after --rotate and --fuse-norms.",
      completionCandidates = MatrixTypes.All.class)
  private Optional<String> type;

  @Option(
      names = "--imatrix",
      paramLabel = "FILE",
      description =
          "An importance matrix of the model, of 'lathe imatrix' or of llama.cpp, to weigh rounding"
              + " errors by where --type is one of GGUF's blocks.")
  private Optional<Path> imatrix;

  @Option(names = "--format", paramLabel = "NAME", description = Descriptions.FORMAT)
  private Optional<String> format;

  @Mixin private FunctionKept functionKept;

  @Option(names = "--force", description = "Replace what stands at OUT.")
  private boolean force;

  @Option(names = "--json", description = Descriptions.JSON)
  private boolean json;

  ConvertCommand(Console console) {
    this.console = console;
  }

  /**
   * The result.
   *
   * @param bytes of the files that were written
   * @param fallbacks matrices that did not get the type asked for, and why
   */
  record Converted(
      String model,
      String artifact,
      String format,
      long originalBytes,
      long bytes,
      double bitsPerWeight,
      List<String> fallbacks,
      double seconds) {}

  @Override
  public Integer call() {
    long began = System.nanoTime();
    if (!force && CheckpointWriters.occupied(output)) {
      throw new LatheException(
          output + " exists already; choose another name, or replace it with --force");
    }
    var single =
        SingleFile.is(output) ? Optional.of(new SingleFile(output)) : Optional.<SingleFile>empty();
    var target = single.isPresent() ? Target.HUGGING_FACE : Target.of(output, format());
    try (var opened = Checkpoints.open(model, console.progress())) {
      var view = functionKept.view(opened);
      var source = target.fitting(view, note -> console.say("note: " + note));
      var fallbacks = new ArrayList<String>();
      var encodings = encodings(source, target, fallbacks);
      var importance = importance(source, encodings, fallbacks);
      var artifact = single.map(SingleFile::directory).orElse(output);
      var plan = target.outline(artifact, source, encodings, false);
      single.ifPresent(file -> file.check(plan, force));
      requireSpace(plan);
      fallbacks.forEach(fallback -> console.say("fallback: " + fallback));
      plan.notes().forEach(note -> console.say("note: " + note));
      WrittenZeros.notes(source, encodings).forEach(note -> console.say("note: " + note));
      new Conversion(source, encodings, importance).write(plan, console.progress());
      single.ifPresent(SingleFile::moveIntoPlace);
      try (var written = Checkpoints.open(output.toString())) {
        report(source, written, fallbacks, System.nanoTime() - began);
      }
    }
    return Main.OK;
  }

  private Importance importance(
      Checkpoint source, Map<Address, Encoding> encodings, List<String> fallbacks) {
    if (imatrix.isEmpty()) {
      return Importance.NONE;
    }
    if (functionKept.asked()) {
      throw new LatheException(
          "--imatrix is of the model as it was; rotate or fuse first, then convert the result with an imatrix of it");
    }
    if (type.isEmpty()
        || encodings.values().stream().noneMatch(Encoding.Blocked.class::isInstance)) {
      throw new LatheException("--imatrix is for GGUF's blocks: choose one of them with --type");
    }
    var importance = Importance.read(imatrix.get(), source);
    encodings.forEach(
        (address, encoding) -> {
          if (encoding instanceof Encoding.Blocked
              && address.block() != Address.OUTSIDE
              && importance.of(address).isEmpty()) {
            fallbacks.add(
                source.name(address) + ": rounded without importance, of which nothing is known");
          }
        });
    return importance;
  }

  private Map<Address, Encoding> encodings(
      Checkpoint source, Target target, List<String> fallbacks) {
    if (type.isEmpty() && functionKept.asked()) {
      return matrices(source, _ -> new Encoding.Plain(DType.F32));
    }
    if (type.isEmpty()) {
      return matrices(source, address -> kept(source, target, address, fallbacks));
    }
    var name = type.get().toUpperCase(Locale.ROOT);
    var plain = MatrixTypes.PLAIN.stream().filter(dtype -> dtype.name().equals(name)).findFirst();
    if (plain.isPresent()) {
      return matrices(source, address -> new Encoding.Plain(plain.get()));
    }
    return blocks(source, target, name, fallbacks);
  }

  /** The same choice, type by type, as a compression to this type makes. */
  private Map<Address, Encoding> blocks(
      Checkpoint source, Target target, String name, List<String> fallbacks) {
    if (BlockTypes.all().stream().map(BlockType::name).noneMatch(name::equals)) {
      throw LatheException.unknown("type", type.orElseThrow(), MatrixTypes.All.names());
    }
    var recipe = Recipe.gguf("rtn", BlockTypes.named(name), Map.of());
    var chosen = new LinkedHashMap<Address, Encoding>();
    for (var entry : Planner.plan(source, recipe, target).entries()) {
      chosen.put(entry.address(), entry.encoding());
      entry.fallback().ifPresent(why -> fallbacks.add(entry.name() + ": " + why));
    }
    return chosen;
  }

  private static Encoding kept(
      Checkpoint source, Target target, Address address, List<String> fallbacks) {
    var stored = source.matrix(address).encoding();
    if (target.holds(stored)) {
      return stored;
    }
    if (stored instanceof Encoding.Sparse sparse && target.holds(sparse.values())) {
      return sparse.values();
    }
    var dtype =
        MatrixTypes.PLAIN.contains(source.config().dtype()) ? source.config().dtype() : DType.F16;
    fallbacks.add(
        "%s: %s instead of %s, which this kind of file cannot hold"
            .formatted(source.name(address), dtype, stored.label()));
    return new Encoding.Plain(dtype);
  }

  private static Map<Address, Encoding> matrices(
      Checkpoint source, java.util.function.Function<Address, Encoding> choice) {
    var chosen = new LinkedHashMap<Address, Encoding>();
    for (var address : source.addresses()) {
      if (!address.isVector(source.architecture())) {
        chosen.put(address, choice.apply(address));
      }
    }
    return chosen;
  }

  private Optional<QuantizationFormat> format() {
    return format.map(Quantizations::named);
  }

  private void requireSpace(CheckpointPlan plan) {
    long free = Machine.usableDisk(output);
    if (plan.bytes() > free) {
      throw new LatheException(
          "%s needs %s and %s are free there"
              .formatted(output, Sizes.bytes(plan.bytes()), Sizes.bytes(free)));
    }
  }

  private void report(Checkpoint source, Checkpoint written, List<String> fallbacks, long took) {
    var inventory = Inventory.of(written);
    if (json) {
      console.json(
          new Converted(
              model,
              output.toString(),
              written.format(),
              source.bytes(),
              written.bytes(),
              inventory.bitsPerWeight(),
              fallbacks,
              took / 1e9));
    } else {
      console.print(
          "%s: %s, %s (%s before), %s bits per weight, in %s"
              .formatted(
                  output,
                  written.format(),
                  Sizes.bytes(written.bytes()),
                  Sizes.bytes(source.bytes()),
                  Sizes.number(inventory.bitsPerWeight(), 2),
                  Durations.of(took)));
    }
  }
}
