package ai.lathe.format.quantized;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.format.Quantization;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.awq.AwqConfig;
import ai.lathe.format.awq.AwqFormat;
import ai.lathe.format.compressed.CompressedTensors;
import ai.lathe.format.compressed.CompressedTensorsFormat;
import ai.lathe.format.compressed.QuantizationConfig;
import ai.lathe.format.gptq.GptqConfig;
import ai.lathe.format.gptq.GptqFormat;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** Every quantization method that a {@code config.json} may name. */
public final class Quantizations {

  /** What is written where nothing else is asked for. */
  public static final QuantizationFormat COMPRESSED_TENSORS = new CompressedTensorsFormat();

  /** All that can be written. */
  public static final List<QuantizationFormat> FORMATS =
      List.of(COMPRESSED_TENSORS, new GptqFormat(true), new GptqFormat(false), new AwqFormat());

  private Quantizations() {}

  /** Throws {@link LatheException} that names the nearest format. */
  public static QuantizationFormat named(String name) {
    return FORMATS.stream()
        .filter(format -> format.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "format", name, FORMATS.stream().map(QuantizationFormat::name).toList()));
  }

  /** Whether a format stores this encoding. */
  public static boolean holds(QuantizationFormat format, Encoding encoding) {
    try {
      format.codec(encoding);
      return true;
    } catch (LatheException e) {
      return false;
    }
  }

  /** Throws {@link LatheException} where a format does not store this encoding, naming which do. */
  public static void require(QuantizationFormat format, Encoding encoding) {
    try {
      format.codec(encoding);
    } catch (LatheException e) {
      var able =
          FORMATS.stream()
              .filter(other -> holds(other, encoding))
              .map(QuantizationFormat::name)
              .toList();
      throw able.isEmpty()
          ? e
          : new LatheException(
              e.getMessage() + "; formats that can: " + String.join(", ", able), e);
    }
  }

  /** Endings of tensor names that mark a stored layer, whichever method stored it. */
  public static List<String> weightSuffixes() {
    return endings(WeightCodec::marks, all -> all.subList(0, 1));
  }

  /** Endings of the other tensors that a stored layer may have. */
  public static List<String> companionSuffixes() {
    return endings(WeightCodec::companions, all -> all.subList(1, all.size()));
  }

  private static List<String> endings(
      Function<WeightCodec, List<String>> ofCodec, UnaryOperator<List<String>> ofSuffixes) {
    return Stream.concat(
            CompressedTensors.codecs().stream().map(ofCodec),
            Stream.of(GptqFormat.suffixes(), AwqFormat.suffixes()).map(ofSuffixes))
        .flatMap(List::stream)
        .distinct()
        .toList();
  }

  /**
   * The quantization within a {@code config.json}; empty where the model is not quantized.
   *
   * @param where the file, for messages
   */
  public static Optional<Quantization> of(ObjectNode config, String where) {
    return new JsonFields(config, where).object(Quantization.FIELD).map(Quantizations::read);
  }

  private static Quantization read(JsonFields quantization) {
    return switch (quantization.requiredText("quant_method")) {
      case "compressed-tensors", "lathe" -> QuantizationConfig.read(quantization);
      case "gptq" -> GptqConfig.read(quantization);
      case "awq" -> AwqConfig.read(quantization);
      case String other ->
          throw new FormatException(
              "%s: quant_method '%s' is not supported; supported: compressed-tensors, lathe, gptq, awq"
                  .formatted(quantization.where(), other));
    };
  }
}
