package ai.lathe.compress.quantization;

import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** GPTQ's settings as recipes write them. */
final class GptqSettings {

  private static final List<String> KEYS = List.of("block_size", "dampening_frac", "actorder");
  private static final List<String> ORDERS = List.of("none", "static", "group", "weight");

  private GptqSettings() {}

  static Gptq.Config read(Grid grid, Map<String, ?> settings) {
    var config = Gptq.Config.of(grid);
    var order = config.order();
    int blockSize = config.blockSize();
    double dampening = config.dampening();
    for (var setting : settings.entrySet()) {
      var value = setting.getValue();
      switch (setting.getKey()) {
        case "block_size" -> blockSize = Math.toIntExact((long) number("block_size", value));
        case "dampening_frac" -> dampening = number("dampening_frac", value);
        case "actorder" -> order = order(value);
        default -> throw LatheException.unknown("setting of GPTQ", setting.getKey(), KEYS);
      }
    }
    return new Gptq.Config(grid, order, blockSize, dampening);
  }

  private static double number(String key, Object value) {
    try {
      return Double.parseDouble(String.valueOf(value));
    } catch (NumberFormatException e) {
      throw new LatheException("GPTQ's " + key + " is a number, not '" + value + "'", e);
    }
  }

  /** Recipes leave it empty or false for none, and llm-compressor calls static also weight. */
  static ColumnOrder order(Object value) {
    if (value == null) {
      return ColumnOrder.NONE;
    }
    return switch (value.toString().toLowerCase(Locale.ROOT)) {
      case "none", "null", "false", "off" -> ColumnOrder.NONE;
      case "static", "weight" -> ColumnOrder.STATIC;
      case "group" -> ColumnOrder.GROUP;
      default -> throw LatheException.unknown("actorder", value.toString(), ORDERS);
    };
  }
}
