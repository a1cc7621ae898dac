package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Width;
import ai.lathe.runtime.kernel.Input;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.runtime.kernel.memory.Pages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/**
 * The activations of one pass, float32, {@code [tokens, ..]} without gaps; the same memory for all
 * blocks, as much as the widest needs.
 */
final class Buffers {

  private final int tokens;

  /** The residual stream. */
  final MemorySegment hidden;

  /** What the next layers read. */
  final MemorySegment normed;

  /** What attention or feed-forward gives back. */
  final MemorySegment result;

  final MemorySegment query;
  final MemorySegment key;
  final MemorySegment value;

  /** Of all heads, the output projection's input. */
  final MemorySegment mixed;

  /** Inner values of a feed-forward, activated in place. */
  final MemorySegment inner;

  /** What {@link #inner} is multiplied by; or both, where one matrix gives them. */
  final MemorySegment up;

  /** Of the router, where there is one. */
  final MemorySegment scores;

  /** An expert's tokens, and what it gives. */
  final MemorySegment gathered;

  final Input gatheredInput;
  final Input streamInput;
  final Input mixedInput;
  final Input innerInput;

  Buffers(Architecture architecture, ModelConfig config, int tokens, Workers workers, Arena arena) {
    this.tokens = tokens;
    boolean fused = architecture.has(Role.QUERY_KEY_VALUE);
    int wide =
        Math.max(
            widest(config, Width.FEED_FORWARD),
            config.experts().map(ModelConfig.Experts::feedForward).orElse(0));
    hidden = floats(arena, config.hidden());
    normed = floats(arena, config.hidden());
    result = floats(arena, config.hidden());
    query = floats(arena, widest(config, fused ? Width.QUERY_KEY_VALUE : Width.QUERY_HEADS));
    key = fused ? query : floats(arena, widest(config, Width.KEY_HEADS));
    value = fused ? query : floats(arena, widest(config, Width.VALUE_HEADS));
    mixed = floats(arena, widest(config, Width.MIXED_VALUES));
    inner = floats(arena, wide);
    up = floats(arena, architecture.has(Role.GATE_UP) ? 2 * wide : wide);
    scores = floats(arena, config.experts().map(ModelConfig.Experts::count).orElse(0));
    gathered = floats(arena, config.experts().isPresent() ? config.hidden() : 0);
    gatheredInput = new Input(workers);
    streamInput = new Input(workers);
    mixedInput = new Input(workers);
    innerInput = new Input(workers);
  }

  /** Most tokens of a pass. */
  int tokens() {
    return tokens;
  }

  private static int widest(ModelConfig config, Width width) {
    return IntStream.range(0, config.blocks()).map(b -> config.size(width, b)).max().orElse(0);
  }

  private MemorySegment floats(Arena arena, int width) {
    // Zeros that take no memory until a pass has as many tokens.
    return Pages.allocate(Math.multiplyExact((long) tokens * width, Float.BYTES), arena);
  }
}
