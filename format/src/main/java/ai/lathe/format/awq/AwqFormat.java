package ai.lathe.format.awq;

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

/** Checkpoints of AutoAWQ in its GEMM layout. */
public record AwqFormat() implements QuantizationFormat {

  private static final int CODES_A_WORD = 8;

  /** Endings of the tensors of a layer, the one that is always there first. */
  public static List<String> suffixes() {
    return AwqCodec.SUFFIXES;
  }

  @Override
  public String name() {
    return "awq";
  }

  static boolean holds(Encoding encoding) {
    return encoding instanceof Encoding.Grouped grouped
        && grouped.activations() == Activations.NONE
        && grouped.scaleType() == DType.F16
        && !grouped.groupIndex()
        && grouped.scheme().bits() == AwqCodec.BITS;
  }

  @Override
  public WeightCodec codec(Encoding encoding) {
    if (encoding instanceof Encoding.Plain) {
      return new DenseCodec();
    }
    if (!holds(encoding)) {
      throw new LatheException(
          "an AWQ checkpoint holds integers of 4 bits in consecutive groups with float16 scales and"
              + " inputs in floating point, not "
              + encoding.label());
    }
    return new AwqCodec();
  }

  @Override
  public Optional<String> refusal(Encoding encoding, int rows, int columns) {
    return encoding instanceof Encoding.Plain || rows % CODES_A_WORD == 0
        ? Optional.empty()
        : Optional.of(
            "an AWQ checkpoint takes outputs in multiples of %d, not %d"
                .formatted(CODES_A_WORD, rows));
  }

  @Override
  public boolean mixes() {
    return false;
  }

  @Override
  public DType scaleType(DType model) {
    return DType.F16;
  }

  @Override
  public Quantization describe(SequencedMap<String, Encoding> modules, boolean staticOrder) {
    return AwqConfig.describe(modules);
  }
}
