package ai.lathe.compress.plan;

import ai.lathe.compress.layer.Level;
import ai.lathe.compress.layer.SolverConfig;
import ai.lathe.compress.layer.Statistic;
import ai.lathe.compress.quantization.BlockGrid;
import ai.lathe.compress.quantization.FloatGrid;
import ai.lathe.compress.quantization.Grid;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.QuantizationMethod;
import ai.lathe.compress.quantization.Quantizers;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.compress.recipe.Modifier.Quantization;
import ai.lathe.compress.recipe.Modifier.Transform;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.compress.recipe.Scheme;
import ai.lathe.compress.transform.BlockTransform;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Parameter;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.BlockType;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.block.BlockTypes;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** Turns a recipe into a {@link Plan} for one model and one kind of artifact. */
public final class Planner {

  /**
   * What a GGUF type gives way to in a row that its blocks do not divide: the next in precision
   * with blocks of 32, as llama.cpp has it. But for Q2_K and Q3_K, where llama.cpp takes Q4_0 since
   * 2026 and took IQ4_NL before: IQ4_NL has as many bytes and an error some 8 % lower.
   */
  private static final Map<String, String> SMALLER_BLOCKS =
      Map.of(
          "Q2_K", "IQ4_NL",
          "Q3_K", "IQ4_NL",
          "Q4_K", "Q5_0",
          "Q5_K", "Q5_1",
          "Q6_K", "Q8_0",
          "NVFP4", "IQ4_NL");

  private final Checkpoint model;
  private final Recipe recipe;
  private final Target target;
  private final Set<String> notes = new LinkedHashSet<>();

  private Planner(Checkpoint model, Recipe recipe, Target target) {
    this.model = model;
    this.recipe = recipe;
    this.target = target;
  }

  /**
   * Reads shapes alone; throws where a scheme cannot be stored in the target at all, or nothing
   * would be compressed.
   */
  public static Plan plan(Checkpoint model, Recipe recipe, Target target) {
    return new Planner(model, recipe, target).plan();
  }

  /** What {@link #plan} has of single matrices, even where none of them would be compressed. */
  public static List<Plan.Entry> entries(Checkpoint model, Recipe recipe, Target target) {
    return new Planner(model, recipe, target).entries();
  }

  /** Every matrix as an artifact of this kind keeps it where nobody compresses it. */
  public static Plan original(Checkpoint model, Target target) {
    var planner = new Planner(model, new Recipe(List.of()), target);
    var entries =
        planner.slots().stream()
            .map(
                slot ->
                    slot.stored(
                        planner.kept(
                            slot.address(), model.architecture().parameter(slot.address().role())),
                        Optional.empty()))
            .toList();
    return new Plan(target, entries, List.of(), Map.of(), List.copyOf(planner.notes));
  }

  private List<Slot> slots() {
    return model.addresses().stream()
        .filter(address -> !address.isVector(model.architecture()))
        .map(this::slot)
        .toList();
  }

  private List<Plan.Entry> entries() {
    var slots = slots();
    var pruning = new PruningPlan(model, recipe, target, halfType(), slots, notes::add);
    var factorization =
        new FactorizationPlan(model, recipe, target, halfType(), slots, this::scheme, notes::add);
    return slots.stream().map(slot -> entry(slot, pruning, factorization)).toList();
  }

  private Plan plan() {
    var entries = entries();
    Compensated.requireAny(entries, recipe);
    var transforms = transforms();
    if (transforms.isEmpty() && entries.stream().allMatch(entry -> entry.level().isEmpty())) {
      throw new LatheException(
          "the recipe's targets match no layer of this model, whose layers are named like "
              + entries.getLast().name());
    }
    quantizedBefore(entries)
        .ifPresent(
            encoding ->
                notes.add(
                    "the model is already quantized (%s): it is decoded first, and what was lost then stays lost"
                        .formatted(encoding.label())));
    return new Plan(target, entries, transforms, prerequisites(transforms), List.copyOf(notes));
  }

  /** How the source stores what is to be compressed, where that is not plain; of one block. */
  private Optional<Encoding> quantizedBefore(List<Plan.Entry> entries) {
    return entries.stream()
        .filter(entry -> entry.level().isPresent() && entry.address().block() <= 0)
        .map(entry -> model.matrix(entry.address()).encoding())
        .filter(
            encoding ->
                !(encoding instanceof Encoding.Plain)
                    && !(encoding instanceof Encoding.Sparse(_, _, Encoding.Plain _)))
        .findFirst();
  }

  private List<BlockTransform> transforms() {
    var transforms = new ArrayList<BlockTransform>();
    for (var modifier : recipe.modifiers()) {
      if (modifier instanceof Transform(var transform)) {
        transforms.add(transform);
        notes.addAll(transform.notes(model));
      }
    }
    return List.copyOf(transforms);
  }

  private Map<Role, Set<Statistic>> prerequisites(List<BlockTransform> transforms) {
    var all = new EnumMap<Role, Set<Statistic>>(Role.class);
    for (var transform : transforms) {
      transform
          .requires(model)
          .forEach(
              (role, statistics) ->
                  all.computeIfAbsent(role, _ -> EnumSet.noneOf(Statistic.class))
                      .addAll(statistics));
    }
    return all;
  }

  private Slot slot(Address address) {
    var parameter = model.architecture().parameter(address.role());
    return new Slot(
        address,
        model.architecture().moduleName(address.block(), address.expert(), address.role()),
        moduleClass(parameter),
        model.config().size(parameter.rows(), address.block()),
        model.config().size(parameter.columns(), address.block()));
  }

  private Plan.Entry entry(Slot slot, PruningPlan pruning, FactorizationPlan factorization) {
    return Compensated.of(
        compressed(slot, pruning, factorization), recipe, slot.moduleClass(), target, halfType());
  }

  private Plan.Entry compressed(Slot slot, PruningPlan pruning, FactorizationPlan factorization) {
    var parameter = model.architecture().parameter(slot.address().role());
    var rounding = rounding(parameter, slot.name());
    var factorized = factorization.step(slot);
    if (factorized.isPresent()) {
      if (pruning.prunes(slot)) {
        throw new LatheException(
            slot.name() + " is to be pruned and factorized; give one of them its own targets");
      }
      return factorization.entry(
          slot, factorized.get(), rounding.map(Rounding::scheme), dense(slot, parameter, rounding));
    }
    var grid =
        rounding.flatMap(how -> grid(how.scheme(), how.quantization().search(), slot.columns()));
    var pruned = pruning.entry(slot, grid, rounding.map(Rounding::quantization));
    if (pruned.isEmpty()) {
      var dense = dense(slot, parameter, rounding);
      return pruning.refusal(slot).map(why -> dense.because("not pruned: " + why)).orElse(dense);
    }
    var stored = grid.map(Grid::encoding).orElse(new Encoding.Plain(halfType()));
    return rounding
        .flatMap(how -> why(how.scheme(), stored, slot.columns()))
        .map(pruned.get()::because)
        .orElse(pruned.get());
  }

  /** A quantization that applies to a matrix, with the scheme that it gives it. */
  private record Rounding(Quantization quantization, Scheme scheme) {}

  private Optional<Rounding> rounding(Parameter parameter, String name) {
    for (var modifier : recipe.modifiers()) {
      if (modifier instanceof Quantization quantization) {
        var scheme = scheme(quantization, parameter, name);
        if (scheme.isPresent()) {
          return Optional.of(new Rounding(quantization, scheme.get()));
        }
      }
    }
    return Optional.empty();
  }

  private Optional<Scheme> scheme(Slot slot) {
    return rounding(model.architecture().parameter(slot.address().role()), slot.name())
        .map(Rounding::scheme);
  }

  /** Without zeros of ours. */
  private Plan.Entry dense(Slot slot, Parameter parameter, Optional<Rounding> rounding) {
    return rounding
        .map(how -> quantized(slot, how.quantization(), how.scheme()))
        .orElseGet(() -> slot.stored(kept(slot.address(), parameter), Optional.empty()));
  }

  /** A tied embedding is the head too, and the head's errors are the ones that show. */
  private Optional<Scheme> scheme(Quantization quantization, Parameter parameter, String name) {
    var own = quantization.scheme(name, moduleClass(parameter));
    if (parameter.role() != Role.TOKEN_EMBEDDING || !model.config().tiedEmbeddings()) {
      return own;
    }
    var head = model.architecture().parameter(Role.OUTPUT);
    return quantization.scheme(head.huggingFace(), moduleClass(head)).or(() -> own);
  }

  /**
   * A router is small and decides everything after it, so that only who names it compresses it. In
   * transformers it is a class of its own too.
   */
  private static String moduleClass(Parameter parameter) {
    return switch (parameter.kind()) {
      case LINEAR -> parameter.role() == Role.ROUTER ? "Router" : "Linear";
      case EMBEDDING -> "Embedding";
      case NORM -> "Norm";
      case INDICES -> "Indices";
    };
  }

  private Plan.Entry quantized(Slot slot, Quantization quantization, Scheme scheme) {
    if (slot.outside() && scheme.activations().calibrated()) {
      return quantized(slot, quantization, scheme.withoutActivations())
          .because("its input is left as it is: nothing outside blocks is calibrated");
    }
    var grid = grid(scheme, quantization.search(), slot.columns());
    if (grid.isEmpty()) {
      var plain = new Encoding.Plain(halfType());
      return slot.stored(plain, why(scheme, plain, slot.columns()));
    }
    // Outside blocks there is no input to calibrate on: tables are looked up, and the head reads
    // what the finished model gives.
    return slot.outside()
        ? quantized(slot, scheme, grid.get(), new Rtn(), Map.of())
        : quantized(
            slot,
            scheme,
            grid.get(),
            Quantizers.named(quantization.method()),
            quantization.settings());
  }

  private <C extends SolverConfig> Plan.Entry quantized(
      Slot slot,
      Scheme scheme,
      Grid grid,
      QuantizationMethod<C> method,
      Map<String, Object> settings) {
    int rows = slot.rows();
    int columns = slot.columns();
    var config = method.fitted(rows, columns, method.config(grid, settings));
    var refusal = method.refusal(rows, columns, config);
    if (refusal.isPresent()) {
      var rounded = quantized(slot, scheme, grid, new Rtn(), Map.of());
      var why = "rounded to nearest instead of %s: %s".formatted(method.name(), refusal.get());
      return rounded.because(why);
    }
    var encoding = method.encoding(grid, config, rows, columns);
    if (target instanceof Target.Directory(QuantizationFormat format)) {
      Quantizations.require(format, encoding);
      var unfit = format.refusal(encoding, rows, columns);
      if (unfit.isPresent()) {
        var plain = new Encoding.Plain(halfType());
        return slot.stored(plain, Optional.of(plain.label() + ": " + unfit.get()));
      }
    }
    // A method with a grid of its own takes the bits from the scheme, and has groups of its own.
    boolean onGrid = encoding.label().equals(grid.encoding().label());
    return slot.solved(
        encoding,
        new Level<>(method, config),
        Optional.of(grid),
        onGrid ? why(scheme, encoding, columns) : Optional.empty());
  }

  /** Why a matrix does not get what was asked for; empty where it does. */
  private static Optional<String> why(Scheme scheme, Encoding encoding, int columns) {
    return encoding.label().equals(scheme.label())
        ? Optional.empty()
        : Optional.of(
            "%s instead of %s, which does not divide rows of %d"
                .formatted(encoding.label(), scheme.label(), columns));
  }

  /** The grid of a scheme as it fits rows of this length; empty where no block of it does. */
  private Optional<Grid> grid(Scheme scheme, Optional<ScaleSearch> search, int columns) {
    return switch (scheme) {
      case Scheme.Integers(IntegerScheme weights) -> {
        if (target == Target.GGUF) {
          throw new LatheException(
              weights.label()
                  + " has no place in a GGUF file; name a directory, or choose one of GGUF's types with"
                  + " --gguf");
        }
        var grid = new IntegerGrid(weights, search.orElse(ScaleSearch.MSE), scaleType());
        var fitting = grid.forColumns(columns);
        yield fitting.equals(grid) || mixes() ? Optional.of(fitting) : Optional.empty();
      }
      case Scheme.Floats(FloatScheme weights) -> {
        if (target == Target.GGUF) {
          throw new LatheException(
              weights.label()
                  + " is stored in compressed-tensors' formats; name a directory, or choose one of"
                  + " GGUF's types with --gguf");
        }
        // Scales this few cost nothing, and float16 would end at 6e-8.
        var scales = model.config().dtype() == DType.BF16 ? DType.BF16 : DType.F32;
        var grid = new FloatGrid(weights, search.orElse(ScaleSearch.MSE), scales);
        yield Optional.of(grid.forColumns(columns));
      }
      case Scheme.Blocks(BlockType type) -> {
        if (target != Target.GGUF) {
          throw new LatheException(
              type.name()
                  + " is stored in GGUF files; give the output a name that ends in .gguf, or choose a"
                  + " --scheme");
        }
        yield Stream.of(type.name(), SMALLER_BLOCKS.getOrDefault(type.name(), type.name()))
            .map(BlockTypes::named)
            .filter(candidate -> columns % candidate.size() == 0)
            .findFirst()
            .map(BlockGrid::new);
      }
    };
  }

  /** The encoding of a matrix that no modifier touches. */
  private Encoding kept(Address address, Parameter parameter) {
    var stored = model.matrix(address).encoding();
    return switch (stored) {
      // As llama.cpp keeps it.
      case Encoding.Plain _ when target == Target.GGUF && parameter.role() == Role.ROUTER ->
          new Encoding.Plain(DType.F32);
      case Encoding.Plain(DType type) when type == DType.F32 || type == DType.F64 -> {
        if (target == Target.GGUF
            && (parameter.role() == Role.POSITION_EMBEDDING
                || parameter.role() == Role.TOKEN_TYPE_EMBEDDING)) {
          yield new Encoding.Plain(DType.F32);
        }
        notes.add(
            "matrices that are not quantized are stored as F16, half of the original's " + type);
        yield new Encoding.Plain(DType.F16);
      }
      case Encoding.Plain plain -> plain;
      case Encoding.Product product when product.shares() -> {
        notes.add(
            "matrices that share a dictionary and that the recipe leaves alone are multiplied out to "
                + halfType()
                + ": what they share may change");
        yield new Encoding.Plain(halfType());
      }
      case Encoding other when target.holds(other) -> other;
      case Encoding other -> {
        notes.add(
            "matrices stored as "
                + other.label()
                + " that the recipe leaves alone are decoded to F16: this kind of file cannot hold them");
        yield new Encoding.Plain(DType.F16);
      }
    };
  }

  /** Whether the artifact may give layers other group sizes than the scheme's. */
  private boolean mixes() {
    return !(target instanceof Target.Directory(QuantizationFormat format)) || format.mixes();
  }

  private DType scaleType() {
    return target instanceof Target.Directory(QuantizationFormat format)
        ? format.scaleType(model.config().dtype())
        : halfType();
  }

  private DType halfType() {
    return WeightCodec.scaleType(model.config().dtype());
  }
}
