package ai.lathe.compress.transform;

import java.util.List;
import java.util.Map;

/**
 * What a transform did to layers that share an input.
 *
 * @param producer module whose output they read, and which makes up for their change
 * @param figures by name, for example the exponent that was chosen and the loss with it
 */
public record Change(
    String transform, String producer, List<String> layers, Map<String, Double> figures) {

  static Change of(
      String transform, BlockWeights block, Scaling scaling, Map<String, Double> figures) {
    return new Change(
        transform,
        block.name(scaling.producer()),
        scaling.consumers().stream().map(block::name).toList(),
        figures);
  }
}
