package ai.lathe.runtime.execution;

import ai.lathe.model.ModelConfig;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Embedding and all blocks, with the memory of their activations. */
final class Stack {

  final ModelConfig config;
  final Buffers buffers;
  final Workers workers;
  final KvCache cache;
  final Probe probe = new Probe();
  private final Embedding embedding;
  private final List<Block> blocks = new ArrayList<>();

  /**
   * @param cache of all sequences that will be run; closed with it
   */
  Stack(Loader loader, int batchTokens, KvCache cache, Workers workers, Progress progress) {
    this.cache = cache;
    this.config = loader.checkpoint().config();
    this.workers = workers;
    var architecture = loader.checkpoint().architecture();
    buffers = new Buffers(architecture, config, batchTokens, workers, loader.arena());
    embedding = new Embedding(loader);
    var attention = new AttentionWork(loader.kernels(), cache, workers);
    Map<ModelConfig.Rope, Rotary> rotaries = new HashMap<>();
    try (var task = progress.start("loading", config.blocks())) {
      for (int block = 0; block < config.blocks(); block++) {
        blocks.add(
            new Block(
                block,
                loader,
                rope -> rotaries.computeIfAbsent(rope, Rotary::new),
                buffers,
                workers,
                attention,
                probe));
        loader.checkpoint().release(block);
        task.advance(1);
      }
    }
  }

  /** Runs a batch and leaves the last block's output in {@link Buffers#hidden}. */
  void forward(Batch batch) {
    check(batch);
    pass(batch);
    if (!Probe.finite(buffers.hidden, (long) batch.count() * config.hidden())) {
      for (int i = 0; i < batch.chunks(); i++) {
        batch.chunk(i).sequence().truncate(batch.chunk(i).position());
      }
      probe.start();
      pass(batch);
      for (int i = 0; i < batch.chunks(); i++) {
        batch.chunk(i).sequence().truncate(batch.chunk(i).position());
      }
      throw new LatheException(probe.stop());
    }
  }

  private void pass(Batch batch) {
    embedding.forward(batch, buffers.hidden);
    for (int i = 0; i < batch.chunks(); i++) {
      batch.chunk(i).sequence().reserve(batch.chunk(i).count());
    }
    for (int i = 0; i < blocks.size(); i++) {
      blocks.get(i).forward(batch);
    }
    for (int i = 0; i < batch.chunks(); i++) {
      batch.advance(i);
    }
  }

  private void check(Batch batch) {
    if (batch.count() == 0) {
      throw new LatheException("there are no tokens to run the model on");
    }
    if (batch.count() > buffers.tokens()) {
      throw new LatheException(
          "a batch has " + batch.count() + " tokens; there is room for " + buffers.tokens());
    }
    for (int i = 0; i < batch.chunks(); i++) {
      int length = batch.chunk(i).position() + batch.chunk(i).count();
      if (length > config.context()) {
        throw new LatheException(
            "a sequence has " + length + " tokens; the model takes " + config.context());
      }
    }
    for (int t = 0; t < batch.count(); t++) {
      if (batch.token(t) < 0 || batch.token(t) >= config.vocabulary()) {
        throw new LatheException(
            "token " + batch.token(t) + " is not in the vocabulary of " + config.vocabulary());
      }
    }
  }
}
