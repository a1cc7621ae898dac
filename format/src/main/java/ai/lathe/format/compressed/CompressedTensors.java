package ai.lathe.format.compressed;

import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;

/** The storage formats of compressed-tensors that are read and written, and Lathe's beside them. */
public final class CompressedTensors {

  private static final List<WeightCodec> CODECS =
      List.of(
          new DenseCodec(),
          new PackQuantized(),
          new IntQuantized(),
          FloatCodec.FLOAT,
          FloatCodec.NAIVE,
          FloatCodec.MXFP8,
          FloatCodec.MXFP4,
          FloatCodec.NVFP4,
          FloatCodec.E5M2,
          SparseBitmask.ANY,
          SparseBitmask.TWO_FOUR,
          new LatheSparse(),
          new VptqCodec(),
          new AqlmCodec(),
          new SpQrCodec(),
          new BitStackCodec(),
          new BlockDiagonalCodec(),
          new ModeCodec(),
          new ProductCodec(),
          new SumCodec());

  private CompressedTensors() {}

  public static List<WeightCodec> codecs() {
    return CODECS;
  }

  /** The names of all formats. */
  static List<String> names() {
    return CODECS.stream().map(WeightCodec::name).toList();
  }

  /** The format of this name, where it is one that a group describes. */
  static Optional<ConfiguredCodec> configured(String name) {
    return CODECS.stream()
        .filter(codec -> codec.name().equals(name))
        .filter(ConfiguredCodec.class::isInstance)
        .map(ConfiguredCodec.class::cast)
        .findFirst();
  }

  /** The format that stores this encoding; there is exactly one, or none. */
  public static WeightCodec codec(Encoding encoding) {
    if (encoding instanceof Encoding.Rotated(_, Encoding inner)) {
      return RotatedCodec.around(codec(inner));
    }
    return CODECS.stream()
        .filter(codec -> codec.canEncode(encoding))
        .findFirst()
        .orElseThrow(
            () ->
                new LatheException(
                    "compressed-tensors stores no "
                        + encoding.label()
                        + "; its formats here: "
                        + String.join(", ", names())));
  }
}
