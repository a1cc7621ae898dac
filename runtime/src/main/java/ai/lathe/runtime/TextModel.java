package ai.lathe.runtime;

import ai.lathe.model.Checkpoint;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.Tokenizer;
import ai.lathe.model.chat.ChatTemplate;
import ai.lathe.model.chat.Message;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.model.tokenizer.EndTokens;
import ai.lathe.runtime.execution.Decoder;
import ai.lathe.runtime.execution.KvCache;
import ai.lathe.runtime.generation.DecoderModel;
import ai.lathe.runtime.generation.Drafter;
import ai.lathe.runtime.generation.Engine;
import ai.lathe.runtime.generation.Generation;
import ai.lathe.runtime.generation.GenerationListener;
import ai.lathe.runtime.generation.GenerationOptions;
import ai.lathe.runtime.generation.TextStream;
import ai.lathe.runtime.kernel.KernelProvider;
import ai.lathe.runtime.kernel.Workers;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Progress;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * A language model that writes. May be used by several threads at once: their sequences are
 * computed together, a token each a step, and each has the text that it would have alone. {@link
 * #close} may be called at any time; who is generating then gets a {@link ClosedModelException}.
 */
public final class TextModel implements AutoCloseable {

  private final Checkpoint checkpoint;
  private final Tokenizer tokenizer;
  private final DecoderModel model;
  private final Engine engine;
  private final Gate gate;
  private Optional<ChatTemplate> template;

  private TextModel(
      Checkpoint checkpoint,
      Tokenizer tokenizer,
      DecoderModel model,
      Engine engine,
      Runnable free) {
    this.checkpoint = checkpoint;
    this.tokenizer = tokenizer;
    this.model = model;
    this.engine = engine;
    this.gate = new Gate(free);
  }

  /** Opens a model as {@link Checkpoints#open(String)} does, on all processors. */
  public static TextModel open(String model) {
    return open(model, RuntimeOptions.DEFAULT, Progress.NONE);
  }

  /**
   * Opens a model.
   *
   * @throws LatheException where there is no such model, it is an encoder or has no tokenizer, or
   *     the draft model has another vocabulary
   */
  public static TextModel open(String model, RuntimeOptions options, Progress progress) {
    Deque<AutoCloseable> opened = new ArrayDeque<>();
    try {
      var checkpoint = keep(opened, Checkpoints.open(model, progress));
      var tokenizer =
          checkpoint
              .tokenizer()
              .orElseThrow(() -> new LatheException(model + " has no tokenizer to read text with"));
      var kernels = options.provider();
      var workers = keep(opened, new Workers(options.threads()));
      var main = decoder(checkpoint, kernels, workers, options, progress, opened);
      Drafter drafter = null;
      if (options.draft().isPresent()) {
        var draft = options.draft().get();
        var smaller = keep(opened, Checkpoints.open(draft.model(), progress));
        requireSameVocabulary(model, checkpoint.config(), draft.model(), smaller.config());
        drafter =
            new Drafter(
                decoder(smaller, kernels, workers, options, progress, opened), draft.tokens());
      }
      var engine =
          new Engine(
              main, drafter, EndTokens.of(checkpoint), options.limits(), ClosedModelException::new);
      opened.push(engine::free);
      return new TextModel(checkpoint, tokenizer, main, engine, () -> close(opened));
    } catch (Throwable e) {
      close(opened);
      throw e;
    }
  }

  private static DecoderModel decoder(
      Checkpoint checkpoint,
      KernelProvider kernels,
      Workers workers,
      RuntimeOptions options,
      Progress progress,
      Deque<AutoCloseable> opened) {
    int context =
        Math.min(checkpoint.config().context(), options.context().orElse(Integer.MAX_VALUE));
    int batch = Math.min(Decoder.BATCH_TOKENS, Math.max(context, options.limits().sequences() * 8));
    var kept = KvCache.Settings.DEFAULT.of(options.keysAndValues());
    var decoder = keep(opened, Decoder.load(checkpoint, kernels, workers, batch, kept, progress));
    return new DecoderModel(decoder, context);
  }

  private static void requireSameVocabulary(
      String model, ModelConfig config, String draft, ModelConfig smaller) {
    if (config.vocabulary() != smaller.vocabulary()) {
      throw new LatheException(
          "%s cannot draft for %s: it has %d tokens, the other %d"
              .formatted(draft, model, smaller.vocabulary(), config.vocabulary()));
    }
  }

  private static <T extends AutoCloseable> T keep(Deque<AutoCloseable> opened, T resource) {
    opened.push(resource);
    return resource;
  }

  /** The last one first. */
  private static void close(Deque<AutoCloseable> opened) {
    try {
      while (!opened.isEmpty()) {
        opened.pop().close();
      }
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new LatheException("cannot close the model: " + e.getMessage(), e);
    }
  }

  /** What the model is made of. */
  public ModelConfig config() {
    return checkpoint.config();
  }

  /** Most tokens of prompt and output. */
  public int contextLength() {
    return model.context();
  }

  /** Goes on from a text. */
  public Generation generate(String prompt, GenerationOptions options) {
    return generate(prompt, options, GenerationListener.NONE);
  }

  /**
   * Goes on from a text, and tells a listener while it does.
   *
   * @throws LatheException where the prompt is empty and the model has no token to begin with,
   *     where it is too long, or where the model's weights give no numbers
   * @throws ClosedModelException where the model is closed, before or meanwhile
   */
  public Generation generate(
      String prompt, GenerationOptions options, GenerationListener listener) {
    return gate.within(
        () -> {
          var tokens = encode(prompt, /* special= */ true);
          if (tokens.length == 0 && config().beginToken().isPresent()) {
            tokens = new int[] {config().beginToken().getAsInt()};
          }
          return run(tokens, new TextStream(tokenizer, tokens), options, listener);
        });
  }

  /** Goes on from tokens. */
  public Generation generate(int[] prompt, GenerationOptions options, GenerationListener listener) {
    return gate.within(() -> run(prompt, new TextStream(tokenizer, prompt), options, listener));
  }

  /** The assistant's answer to a conversation. */
  public Generation chat(List<Message> messages, GenerationOptions options) {
    return chat(Conversation.of(messages), options, GenerationListener.NONE);
  }

  /**
   * The assistant's answer to a conversation, by the model's own chat template.
   *
   * @throws LatheException where the model has no chat template, or its template fails or refuses
   *     the conversation, and as {@link #generate(String, GenerationOptions, GenerationListener)}
   *     does
   */
  public Generation chat(
      Conversation conversation, GenerationOptions options, GenerationListener listener) {
    return gate.within(
        () -> run(prompt(conversation), new TextStream(tokenizer), options, listener));
  }

  /** The tokens that the answer to a conversation follows. */
  public int[] tokens(Conversation conversation) {
    return gate.within(() -> prompt(conversation));
  }

  /** The template spells out the special tokens itself: the tokenizer adds none. */
  private int[] prompt(Conversation conversation) {
    var text =
        template()
            .orElseThrow(
                () ->
                    new LatheException(
                        "the model has no chat template; generate goes on from a plain text"))
            .render(
                conversation.messages(),
                conversation.tools(),
                /* addGenerationPrompt= */ true,
                conversation.variables());
    return encode(text, /* special= */ false);
  }

  /** Whether the model has a chat template. */
  public boolean canChat() {
    return gate.within(() -> template().isPresent());
  }

  /** Read when it is first asked for: a template that does not parse keeps nobody from the rest. */
  private synchronized Optional<ChatTemplate> template() {
    template = template == null ? ChatTemplate.of(checkpoint) : template;
    return template;
  }

  private Generation run(
      int[] prompt, TextStream stream, GenerationOptions options, GenerationListener listener) {
    return engine.generate(fit(prompt, options), stream, options, listener);
  }

  /** The prompt, without its first tokens where it is too long and that is allowed. */
  private int[] fit(int[] prompt, GenerationOptions options) {
    int context = contextLength();
    if (prompt.length < context || !options.truncatePrompt()) {
      return prompt;
    }
    int room = context - Math.clamp(options.maxTokens(), 1, Math.max(1, context / 2));
    var end = new int[room];
    System.arraycopy(prompt, prompt.length - room, end, 0, room);
    if (config().beginToken().equals(OptionalInt.of(prompt[0]))) {
      end[0] = prompt[0];
    }
    return end;
  }

  /**
   * The tokens of a text.
   *
   * @param special with those that the tokenizer puts around a text by itself
   */
  public int[] tokens(String text, boolean special) {
    return gate.within(() -> encode(text, special));
  }

  private int[] encode(String text, boolean special) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        boolean pair =
            Character.isSurrogatePair(
                text.charAt(i), i + 1 < text.length() ? text.charAt(i + 1) : 0);
        if (!pair) {
          throw new LatheException(
              "the text is no valid Unicode: half a character at position " + i);
        }
        i++;
      }
    }
    return special ? tokenizer.encode(text) : tokenizer.encodePlain(text);
  }

  /** The text of tokens, without special ones. */
  public String text(int[] tokens) {
    return gate.within(() -> tokenizer.decode(tokens));
  }

  /**
   * Frees the model's memory, when the last call has left it; waits for that, unless it is called
   * by a listener.
   */
  @Override
  public void close() {
    gate.close(engine::shutDown);
  }
}
