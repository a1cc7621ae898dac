package ai.lathe.compress.removal;

import ai.lathe.compress.factorization.RemovalKnapsack.Measure;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What may become of one layer, and what each costs and loses. To stay as it is, which loses
 * nothing, is possible besides.
 *
 * @param parameters as it is
 * @param bytes as it is
 * @param encoding as it is
 * @param minded nats that the model's output diverges by where the layer's output is lost whole, as
 *     Fisher's information estimates it; NaN where nobody computed it
 * @param options in ascending order of what is removed
 */
public record LayerProfile(
    String name,
    int block,
    long parameters,
    long bytes,
    String encoding,
    double minded,
    List<Option> options) {

  public LayerProfile {
    options = List.copyOf(options);
  }

  /**
   * @param removed share that the level is asked for
   * @param settings of the method
   * @param parameters that stay, exactly
   * @param outputError {@code ||(W - Q) X|| / ||W X||}
   * @param weightError {@code ||W - Q|| / ||W||}
   */
  public record Option(
      double removed,
      Map<String, String> settings,
      String encoding,
      long parameters,
      long bytes,
      double outputError,
      double weightError) {

    public Option {
      settings = new TreeMap<>(settings);
    }

    /** As {@code lathe search} names it: {@code rocket:0.2:ratio=1.5}. */
    String level(String method) {
      var words =
          settings.entrySet().stream()
              .map(entry -> ":" + entry.getKey() + "=" + entry.getValue())
              .collect(Collectors.joining());
      return method + ":" + removed + words;
    }
  }

  /** Of one option, as it is added up. */
  double loss(Option option, Measure measure) {
    return switch (measure) {
      case WEIGHT -> option.weightError();
      case OUTPUT -> option.outputError() * option.outputError();
      case FISHER -> minded * option.outputError() * option.outputError();
    };
  }

  /** What options of one layer are compared by, and what has a cap. */
  static double error(Option option, Measure measure) {
    return measure == Measure.WEIGHT ? option.weightError() : option.outputError();
  }
}
