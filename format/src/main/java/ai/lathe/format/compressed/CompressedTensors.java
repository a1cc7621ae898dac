package ai.lathe.format.compressed;

import ai.lathe.format.WeightCodec;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.stream.Collectors;

/** The storage formats of compressed-tensors that are read and written. */
public final class CompressedTensors {

  private static final List<WeightCodec> CODECS =
      List.of(new DenseCodec(), new PackQuantized(), new IntQuantized());

  private CompressedTensors() {}

  public static List<WeightCodec> codecs() {
    return CODECS;
  }

  /** The format that stores this encoding; there is exactly one, or none. */
  public static WeightCodec codec(Encoding encoding) {
    return CODECS.stream()
        .filter(codec -> codec.canEncode(encoding))
        .findFirst()
        .orElseThrow(
            () ->
                new LatheException(
                    "compressed-tensors stores no "
                        + encoding.label()
                        + "; its formats here: "
                        + CODECS.stream()
                            .map(WeightCodec::name)
                            .collect(Collectors.joining(", "))));
  }
}
