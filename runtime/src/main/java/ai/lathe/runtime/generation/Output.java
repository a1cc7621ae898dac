package ai.lathe.runtime.generation;

import java.util.ArrayList;
import java.util.List;

/** The text of one generation on its way to the listener. */
final class Output {

  private final TextStream stream;
  private final StopStrings stops;
  private final GenerationListener listener;
  private final StringBuilder text = new StringBuilder();
  private final List<Integer> tokens = new ArrayList<>();
  private final List<Logprobs> logprobs = new ArrayList<>();

  Output(TextStream stream, List<String> stops, GenerationListener listener) {
    this.stream = stream;
    this.stops = new StopStrings(stops);
    this.listener = listener;
  }

  /** The next token; whether the text goes on. */
  boolean add(int token, Logprobs reported) {
    tokens.add(token);
    if (reported != null) {
      logprobs.add(reported);
    }
    listener.token(token, reported);
    show(stops.add(stream.add(token)));
    return stops.found() == null;
  }

  private void show(String piece) {
    if (!piece.isEmpty()) {
      text.append(piece);
      listener.text(piece);
    }
  }

  /** What was held back, where no more tokens come. */
  void end() {
    if (stops.found() == null) {
      show(stops.add(stream.finish()));
      show(stops.finish());
    }
  }

  String text() {
    return text.toString();
  }

  List<Integer> tokens() {
    return tokens;
  }

  List<Logprobs> logprobs() {
    return logprobs;
  }

  /** The stop string that ended it; null where none did. */
  String stop() {
    return stops.found();
  }
}
