package ai.lathe.torch.train;

import ai.lathe.model.ModelConfig;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.architecture.Architecture.Activation;
import ai.lathe.model.architecture.Architectures;
import ai.lathe.model.tokenizer.JsonTokenizer;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.LatheException;
import ai.lathe.torch.Torch;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.PointerScope;

/**
 * Trains a small Llama on text files and writes it as a Hugging Face checkpoint, with excerpts of
 * the text for calibration and evaluation.
 *
 * <pre>Trainer OUT STEPS THREADS TEXT...</pre>
 */
public final class Trainer {

  private static final long SEED = 20260101;
  private static final int VOCABULARY = 1024;
  private static final int CONTEXT = 256;
  private static final int BATCH = 8;
  private static final double RATE = 3e-3;
  private static final double FINAL_RATE = 1e-4;
  private static final int WARM_UP = 100;
  private static final double DECAY = 0.1;
  private static final double CLIP = 1.0;
  private static final int EVALUATE_EVERY = 250;
  private static final int EVALUATION_WINDOWS = 64;

  private final Path out;
  private final int steps;
  private final Corpus corpus;
  private final int begin;
  private final int[] training;
  private final int[] heldOut;

  private Trainer(Path out, int steps, List<Path> files) throws IOException {
    this.out = out;
    this.steps = steps;
    corpus = Corpus.read(files);
    var tokenizer = BytePairTrainer.train(corpus.training(), VOCABULARY);
    Files.createDirectories(out);
    var json = out.resolve("tokenizer.json");
    Files.writeString(json, tokenizer.toPrettyString());
    try (var encoder = JsonTokenizer.of(tokenizer, json.toString())) {
      begin = encoder.encode("")[0];
      training = encode(encoder, corpus.training());
      heldOut = encode(encoder, corpus.heldOut());
    }
  }

  public static void main(String[] arguments) throws IOException {
    if (arguments.length < 4) {
      throw new LatheException("usage: Trainer OUT STEPS THREADS TEXT...");
    }
    Torch.threads(Integer.parseInt(arguments[2]));
    var files = IntStream.range(3, arguments.length).mapToObj(i -> Path.of(arguments[i])).toList();
    new Trainer(Path.of(arguments[0]), Integer.parseInt(arguments[1]), files).run();
  }

  private void run() throws IOException {
    System.out.printf(
        "%d training tokens, %d held out (%.2f characters a token)%n",
        training.length,
        heldOut.length,
        corpus.training().stream().mapToLong(String::length).sum() / (double) training.length);
    var random = new SplittableRandom(SEED);
    var config = config();
    var llama = Architectures.forModelType("llama");
    var result = new TrainedModel(out, llama, config, corpus);
    long start = System.nanoTime();
    try (var model = new Decoder(llama, config, random.split());
        var optimizer = new AdamW(model.parameters().values(), DECAY, CLIP)) {
      double mean = 0;
      for (int step = 1; step <= steps; step++) {
        double loss = step(model, random);
        mean = step == 1 ? loss : 0.98 * mean + 0.02 * loss;
        double norm = optimizer.step(rate(step));
        if (step % 20 == 0) {
          System.out.printf(
              Locale.ROOT,
              "step %d loss %.4f gradient %.2f, %.0f tokens/s, %.1f min%n",
              step,
              mean,
              norm,
              step * (double) BATCH * CONTEXT * 1e9 / (System.nanoTime() - start),
              (System.nanoTime() - start) / 60e9);
        }
        if (step % EVALUATE_EVERY == 0 || step == steps) {
          System.out.printf(Locale.ROOT, "step %d held-out loss %.4f%n", step, heldOutLoss(model));
          result.write(model.parameters());
        }
      }
    }
  }

  private double step(Decoder model, SplittableRandom random) {
    try (var _ = new PointerScope()) {
      var loss = model.loss(batch(random));
      loss.backward();
      return loss.item_double();
    }
  }

  /** Linear warm-up, then half a cosine. */
  private double rate(int step) {
    if (step < WARM_UP) {
      return RATE * step / WARM_UP;
    }
    double progress = (step - WARM_UP) / (double) Math.max(1, steps - WARM_UP);
    return FINAL_RATE + (RATE - FINAL_RATE) * 0.5 * (1 + Math.cos(Math.PI * progress));
  }

  /**
   * Windows from anywhere in the text; every second one begins with BOS, since the model must cope
   * with windows that have one and windows that have none.
   */
  private int[][] batch(SplittableRandom random) {
    var rows = new int[BATCH][];
    for (int i = 0; i < BATCH; i++) {
      int at = random.nextInt(training.length - CONTEXT);
      rows[i] = Arrays.copyOfRange(training, at, at + CONTEXT + 1);
      if (i % 2 == 0) {
        rows[i][0] = begin;
      }
    }
    return rows;
  }

  /** Over windows spread evenly over the held-out text. */
  private double heldOutLoss(Decoder model) {
    double sum = 0;
    int batches = EVALUATION_WINDOWS / BATCH;
    for (int b = 0; b < batches; b++) {
      var rows = new int[BATCH][];
      for (int i = 0; i < BATCH; i++) {
        long window = (long) b * BATCH + i;
        int at = (int) (window * (heldOut.length - CONTEXT - 1) / (EVALUATION_WINDOWS - 1));
        rows[i] = Arrays.copyOfRange(heldOut, at, at + CONTEXT + 1);
      }
      sum += model.lossValue(rows);
    }
    return sum / batches;
  }

  /** Paragraph by paragraph: one call with megabytes is slow. */
  private static int[] encode(Tokenizer tokenizer, List<String> texts) {
    var ids = new ArrayList<int[]>();
    for (var text : texts) {
      for (int from = 0; from < text.length(); ) {
        int end = text.indexOf("\n\n", Math.min(text.length(), from + 10_000));
        int to = end < 0 ? text.length() : end;
        ids.add(tokenizer.encodePlain(text.substring(from, to)));
        from = to;
      }
    }
    return ids.stream().flatMapToInt(Arrays::stream).toArray();
  }

  private ModelConfig config() {
    int heads = 8;
    int headSize = 32;
    int hidden = heads * headSize;
    var json = new ObjectMapper().createObjectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("model_type", "llama")
        .put("hidden_size", hidden)
        .put("intermediate_size", 2 * hidden)
        .put("num_hidden_layers", 4)
        .put("num_attention_heads", heads)
        .put("num_key_value_heads", heads / 2)
        .put("head_dim", headSize)
        .put("vocab_size", VOCABULARY)
        .put("max_position_embeddings", CONTEXT)
        .put("rms_norm_eps", 1e-5)
        .put("rope_theta", 10000.0)
        .put("hidden_act", "silu")
        .put("attention_bias", false)
        .put("mlp_bias", false)
        .put("tie_word_embeddings", true)
        .put("bos_token_id", begin)
        .put("eos_token_id", begin + 1)
        .put("torch_dtype", "bfloat16");
    return new ModelConfig(
        hidden,
        4,
        heads,
        heads / 2,
        headSize,
        2 * hidden,
        Optional.empty(),
        VOCABULARY,
        CONTEXT,
        1e-5,
        new ModelConfig.Rope(10000.0, headSize, new ModelConfig.Rope.Scaling.None()),
        true,
        0,
        Optional.empty(),
        ModelConfig.Arithmetic.plain(Activation.SILU, headSize),
        DType.BF16,
        OptionalInt.of(begin),
        OptionalInt.of(begin + 1),
        json,
        List.of());
  }
}
