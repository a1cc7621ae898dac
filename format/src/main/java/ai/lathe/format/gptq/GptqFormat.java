package ai.lathe.format.gptq;

import ai.lathe.format.Quantization;
import ai.lathe.format.QuantizationFormat;
import ai.lathe.format.WeightCodec;
import ai.lathe.format.compressed.DenseCodec;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/**
 * Checkpoints of GPTQModel.
 *
 * @param lessOne writes the first version of the format, where zero points are stored less one
 */
public record GptqFormat(boolean lessOne) implements QuantizationFormat {

  /** Rows and columns that the kernels of others take. */
  private static final int MULTIPLE = 32;

  /** Endings of the tensors of a layer, the one that is always there first. */
  public static List<String> suffixes() {
    return GptqCodec.SUFFIXES;
  }

  @Override
  public String name() {
    return lessOne ? "gptq" : "gptq_v2";
  }

  static boolean holds(Encoding encoding) {
    return encoding instanceof Encoding.Grouped grouped
        && grouped.activations() == Activations.NONE
        && grouped.scaleType() == DType.F16
        && GptqCodec.WIDTHS.contains(grouped.scheme().bits());
  }

  @Override
  public WeightCodec codec(Encoding encoding) {
    if (encoding instanceof Encoding.Plain) {
      return new DenseCodec();
    }
    if (!holds(encoding)) {
      throw new LatheException(
          "a GPTQ checkpoint holds integers of 2, 3, 4 or 8 bits with float16 scales and inputs in"
              + " floating point, not "
              + encoding.label());
    }
    return new GptqCodec(((Encoding.Grouped) encoding).scheme().bits(), lessOne);
  }

  @Override
  public Optional<String> refusal(Encoding encoding, int rows, int columns) {
    return encoding instanceof Encoding.Plain || (rows % MULTIPLE == 0 && columns % MULTIPLE == 0)
        ? Optional.empty()
        : Optional.of(
            "a GPTQ checkpoint takes rows and columns in multiples of %d, not [%d, %d]"
                .formatted(MULTIPLE, rows, columns));
  }

  @Override
  public DType scaleType(DType model) {
    return DType.F16;
  }

  @Override
  public Quantization describe(SequencedMap<String, Encoding> modules, boolean staticOrder) {
    return GptqConfig.describe(modules, lessOne);
  }
}
