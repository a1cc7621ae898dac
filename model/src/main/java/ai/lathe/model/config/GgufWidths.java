package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.gguf.GgufMetadata;
import ai.lathe.format.gguf.GgufValue;
import ai.lathe.format.gguf.GgufValue.IntegerType;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.LlamaCpp;
import ai.lathe.tensor.LatheException;

/** Widths of blocks in GGUF, which knows those of feed-forwards and of nothing else. */
final class GgufWidths {

  private GgufWidths() {}

  /** Throws where blocks of a file have widths that those of its architecture cannot have. */
  static void check(ModelConfig config, Architecture architecture, String where) {
    config
        .obstacle(architecture)
        .ifPresent(
            why -> {
              throw new FormatException(where + ": " + why);
            });
  }

  /** What the file calls the architecture: for blocks that differ llama.cpp may have another. */
  static String name(ModelConfig config, Architecture architecture) {
    var blockwise = architecture.llamaCpp().map(LlamaCpp::blockwise);
    return config.widths().isEmpty()
        ? architecture.ggufName()
        : blockwise.orElse(architecture.ggufName());
  }

  /**
   * A number for all blocks, or one for each where they differ.
   *
   * @throws LatheException where a block has narrower heads
   */
  static void write(ModelConfig config, String key, GgufMetadata.Builder metadata) {
    int head = config.headSize();
    for (int block = 0; block < config.widths().size(); block++) {
      var widths = config.widths(block);
      if (widths.keySize() != head || widths.valueSize() != head) {
        throw new LatheException(
            ("GGUF has no narrower heads: those of block %d have %d features of queries and keys and"
                    + " %d of values, the model's have %d; the model can be written as a directory"
                    + " only")
                .formatted(block, widths.keySize(), widths.valueSize(), head));
      }
    }
    if (config.widths().isEmpty()) {
      metadata.u32(key, config.feedForward());
    } else {
      var each = config.widths().stream().mapToLong(w -> w.feedForward()).toArray();
      metadata.put(key, new GgufValue.Integers(IntegerType.I32, each));
    }
  }
}
