package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Width;
import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.RowMath;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.attention.Heads;
import java.lang.foreign.MemorySegment;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Function;

/** One transformer block, run as its {@link Architecture} describes it. */
final class Block {

  /** Passes of fewer tokens do their rows on one thread: sharing them out costs more. */
  private static final int SHARED = 4;

  private final Architecture architecture;
  private final ModelConfig config;
  private final Workers workers;
  private final RowMath math;
  private final Buffers buffers;
  private final Products products;
  private final Activation activation;
  private final Attention attention;
  private final Mixture mixture;
  private final Map<Role, Norm> norms = new EnumMap<>(Role.class);
  private final Map<Role, Linear> linears = new EnumMap<>(Role.class);
  private final Heads query;
  private final Heads key;
  private final Heads value;

  /** Features that attention hands to its output. */
  private final int mixed;

  private final int feedForward;

  Block(
      int index,
      Loader loader,
      Function<ModelConfig.Rope, Rotary> rotary,
      Buffers buffers,
      Workers workers,
      AttentionWork attentionWork,
      Probe probe) {
    this.architecture = loader.checkpoint().architecture();
    this.config = loader.checkpoint().config();
    this.workers = workers;
    this.math = loader.kernels().rows();
    this.buffers = buffers;
    this.products = new Products(workers, math, probe);
    this.activation = config.arithmetic().activation();
    for (var parameter : config.parameters(architecture, index)) {
      var address = Address.weight(index, parameter.role());
      switch (parameter.kind()) {
        case NORM -> norms.put(parameter.role(), loader.norm(address));
        case LINEAR -> {
          if (!parameter.perExpert()) {
            linears.put(parameter.role(), loader.linear(address));
          }
        }
        case INDICES -> {
          // Of rotary pairs, which attention has.
        }
        case EMBEDDING -> throw new IllegalStateException(parameter.role() + " in a block");
      }
    }
    mixture =
        linears.containsKey(Role.ROUTER) ? new Mixture(index, config, loader, products) : null;
    var rope = config.rope(index);
    attention =
        new Attention(
            index,
            config,
            architecture.kind(),
            norms.get(Role.QUERY_NORM),
            norms.get(Role.KEY_NORM),
            rope == null ? null : rotary.apply(rope),
            loader.rotaryPairs(index),
            math,
            attentionWork);
    int heads = config.heads();
    int keyHeads = config.keyValueHeads();
    int size = config.widths(index).keySize();
    int valueSize = config.widths(index).valueSize();
    feedForward = config.size(Width.FEED_FORWARD, index);
    mixed = config.size(Width.MIXED_VALUES, index);
    long queries = config.size(Width.QUERY_HEADS, index);
    long keys = config.size(Width.KEY_HEADS, index);
    long all = config.size(Width.QUERY_KEY_VALUE, index);
    if (!architecture.has(Role.QUERY_KEY_VALUE)) {
      long values = config.size(Width.VALUE_HEADS, index);
      query = new Heads(buffers.query, 0, queries, size, heads);
      key = new Heads(buffers.key, 0, keys, size, keyHeads);
      value = new Heads(buffers.value, 0, values, valueSize, keyHeads);
    } else if (architecture.parameter(Role.QUERY_KEY_VALUE).groupedByHead()) {
      int each = 2 * size + valueSize;
      query = new Heads(buffers.query, 0, all, each, heads);
      key = new Heads(buffers.query, size, all, each, heads);
      value = new Heads(buffers.query, 2L * size, all, each, heads);
    } else {
      query = new Heads(buffers.query, 0, all, size, heads);
      key = new Heads(buffers.query, queries, all, size, keyHeads);
      value = new Heads(buffers.query, queries + keys, all, valueSize, keyHeads);
    }
  }

  /** Replaces the residual stream of the batch's tokens by this block's output. */
  void forward(Batch batch) {
    int tokens = batch.count();
    var hidden = buffers.hidden;
    var result = buffers.result;
    switch (architecture.normOrder()) {
      case PRE -> {
        norm(Role.ATTENTION_NORM, hidden, buffers.normed, tokens);
        attend(batch, buffers.normed);
        add(hidden, result, tokens);
        norm(Role.FEED_FORWARD_NORM, hidden, buffers.normed, tokens);
        feedForward(buffers.normed, tokens);
        add(hidden, result, tokens);
      }
      case POST -> {
        attend(batch, hidden);
        add(hidden, result, tokens);
        norm(Role.ATTENTION_OUTPUT_NORM, hidden, hidden, tokens);
        feedForward(hidden, tokens);
        add(hidden, result, tokens);
        norm(Role.FEED_FORWARD_OUTPUT_NORM, hidden, hidden, tokens);
      }
      case SANDWICH -> {
        norm(Role.ATTENTION_NORM, hidden, buffers.normed, tokens);
        attend(batch, buffers.normed);
        norm(Role.ATTENTION_OUTPUT_NORM, result, result, tokens);
        add(hidden, result, tokens);
        norm(Role.FEED_FORWARD_NORM, hidden, buffers.normed, tokens);
        feedForward(buffers.normed, tokens);
        norm(Role.FEED_FORWARD_OUTPUT_NORM, result, result, tokens);
        add(hidden, result, tokens);
      }
      case PARALLEL -> {
        norm(Role.ATTENTION_NORM, hidden, buffers.normed, tokens);
        attend(batch, buffers.normed);
        // Both read the block's input, so the feed-forward's norm comes before the sum.
        norm(Role.FEED_FORWARD_NORM, hidden, buffers.normed, tokens);
        add(hidden, result, tokens);
        feedForward(buffers.normed, tokens);
        add(hidden, result, tokens);
      }
    }
  }

  /** From {@code x} to {@link Buffers#result}. */
  private void attend(Batch batch, MemorySegment x) {
    int tokens = batch.count();
    var input = input(buffers.streamInput, x, tokens, config.hidden());
    if (linears.containsKey(Role.QUERY_KEY_VALUE)) {
      products.of(input).with(linears.get(Role.QUERY_KEY_VALUE), buffers.query).run();
    } else {
      products
          .of(input)
          .with(linears.get(Role.QUERY), buffers.query)
          .with(linears.get(Role.KEY), buffers.key)
          .with(linears.get(Role.VALUE), buffers.value)
          .run();
    }
    attention.forward(batch, query, key, value, buffers.mixed);
    var values = input(buffers.mixedInput, buffers.mixed, tokens, mixed);
    products.of(values).with(linears.get(Role.ATTENTION_OUTPUT), buffers.result).run();
  }

  /** From {@code x} to {@link Buffers#result}. */
  private void feedForward(MemorySegment x, int tokens) {
    var input = input(buffers.streamInput, x, tokens, config.hidden());
    if (mixture != null) {
      products.of(input).with(linears.get(Role.ROUTER), buffers.scores).run();
      mixture.forward(x, buffers, tokens);
      return;
    }
    if (linears.containsKey(Role.GATE_UP)) {
      products.of(input).with(linears.get(Role.GATE_UP), buffers.up).run();
      split(tokens);
    } else if (linears.containsKey(Role.GATE)) {
      products
          .of(input)
          .with(linears.get(Role.GATE), buffers.inner)
          .with(linears.get(Role.UP), buffers.up)
          .run();
      gate(tokens);
    } else {
      products.of(input).with(linears.get(Role.UP), buffers.inner).run();
      activate(tokens);
    }
    var inner = input(buffers.innerInput, buffers.inner, tokens, feedForward);
    products.of(inner).with(linears.get(Role.DOWN), buffers.result).run();
  }

  private static Input input(Input input, MemorySegment values, int tokens, int columns) {
    input.set(values, tokens, columns);
    return input;
  }

  private void norm(Role role, MemorySegment x, MemorySegment out, int tokens) {
    var norm = norms.get(role);
    if (tokens < SHARED) {
      norm(norm, x, out, 0, tokens);
    } else {
      workers.run((p, n) -> norm(norm, x, out, share(tokens, p, n), share(tokens, p + 1, n)));
    }
  }

  private void norm(Norm norm, MemorySegment x, MemorySegment out, int from, int to) {
    for (int t = from; t < to; t++) {
      long at = (long) t * norm.n();
      norm.row(math, x, at, out, at);
    }
  }

  private void add(MemorySegment x, MemorySegment y, int tokens) {
    if (tokens < SHARED) {
      add(x, y, 0, tokens);
    } else {
      workers.run((p, n) -> add(x, y, share(tokens, p, n), share(tokens, p + 1, n)));
    }
  }

  private void add(MemorySegment x, MemorySegment y, int from, int to) {
    for (int t = from; t < to; t++) {
      long at = (long) t * config.hidden();
      math.add(x, at, y, at, config.hidden());
    }
  }

  private void gate(int tokens) {
    if (tokens < SHARED) {
      gate(0, tokens);
    } else {
      workers.run((p, n) -> gate(share(tokens, p, n), share(tokens, p + 1, n)));
    }
  }

  private void gate(int from, int to) {
    int width = feedForward;
    for (int t = from; t < to; t++) {
      long at = (long) t * width;
      math.gate(activation, buffers.inner, at, buffers.up, at, width);
    }
  }

  private void split(int tokens) {
    if (tokens < SHARED) {
      split(0, tokens);
    } else {
      workers.run((p, n) -> split(share(tokens, p, n), share(tokens, p + 1, n)));
    }
  }

  /** Gate and up of one product: the gate's half moves to where it is activated. */
  private void split(int from, int to) {
    int width = feedForward;
    for (int t = from; t < to; t++) {
      long at = (long) t * width;
      MemorySegment.copy(
          buffers.up,
          2 * at * Float.BYTES,
          buffers.inner,
          at * Float.BYTES,
          (long) width * Float.BYTES);
      math.gate(activation, buffers.inner, at, buffers.up, 2 * at + width, width);
    }
  }

  private void activate(int tokens) {
    if (tokens < SHARED) {
      activate(0, tokens);
    } else {
      workers.run((p, n) -> activate(share(tokens, p, n), share(tokens, p + 1, n)));
    }
  }

  private void activate(int from, int to) {
    int width = feedForward;
    math.activate(activation, buffers.inner, (long) from * width, (to - from) * width);
  }

  private static int share(int tokens, int part, int parts) {
    return (int) ((long) tokens * part / parts);
  }
}
