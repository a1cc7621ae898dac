package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.model.BlockWidths;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * The field of {@code config.json} that tells blocks narrower than the model: an array with a
 * number for each block for each of the three widths. All other fields are as before any block was
 * narrower.
 */
final class HuggingFaceWidths {

  private static final String FIELD = "block_widths";
  private static final String FEED_FORWARD = "feed_forward";
  private static final String QUERY_KEY = "query_key";
  private static final String VALUE = "value";
  private static final List<String> ALL = List.of(FEED_FORWARD, QUERY_KEY, VALUE);

  private HuggingFaceWidths() {}

  /** The model with the widths that its blocks have; unchanged where nothing is said of them. */
  static ModelConfig read(JsonFields fields, ModelConfig config, Architecture architecture) {
    var object = fields.object(FIELD);
    if (object.isEmpty()) {
      return config;
    }
    var widths = object.get();
    widths
        .object()
        .fieldNames()
        .forEachRemaining(
            key -> {
              if (!ALL.contains(key)) {
                throw new FormatException(
                    "%s: '%s' is no width of a block; there are %s"
                        .formatted(widths.where(), key, String.join(", ", ALL)));
              }
            });
    int blocks = config.blocks();
    var feedForward = widths.counts(FEED_FORWARD, blocks, config.feedForward());
    var queryKey = widths.counts(QUERY_KEY, blocks, config.headSize());
    var value = widths.counts(VALUE, blocks, config.headSize());
    var all = new ArrayList<BlockWidths>();
    for (int block = 0; block < blocks; block++) {
      all.add(new BlockWidths(feedForward.get(block), queryKey.get(block), value.get(block)));
    }
    try {
      return config.narrowed(architecture, all);
    } catch (LatheException e) {
      throw new FormatException(widths.where() + ": " + e.getMessage(), e);
    }
  }

  /** Puts them into a {@code config.json}, or takes away what it says of another model's. */
  static void write(ModelConfig config, ObjectNode json) {
    if (config.widths().isEmpty()) {
      json.remove(FIELD);
      return;
    }
    var object = json.putObject(FIELD);
    config.widths().stream()
        .map(BlockWidths::feedForward)
        .forEach(object.putArray(FEED_FORWARD)::add);
    config.widths().stream().map(BlockWidths::keySize).forEach(object.putArray(QUERY_KEY)::add);
    config.widths().stream().map(BlockWidths::valueSize).forEach(object.putArray(VALUE)::add);
  }
}
