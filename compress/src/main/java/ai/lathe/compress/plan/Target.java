package ai.lathe.compress.plan;

import ai.lathe.tensor.LatheException;
import java.nio.file.Path;
import java.util.Locale;

/** The kind of artifact to write. */
public enum Target {
  /** A directory in Hugging Face's layout; compressed weights as compressed-tensors. */
  HUGGING_FACE,
  /** One GGUF file. */
  GGUF;

  /**
   * By the artifact's name: {@code .gguf} is a file, a name without an ending of a model file is a
   * directory.
   */
  public static Target of(Path artifact) {
    var name = artifact.getFileName().toString().toLowerCase(Locale.ROOT);
    if (name.endsWith(".gguf")) {
      return GGUF;
    }
    if (name.endsWith(".safetensors") || name.endsWith(".onnx")) {
      throw new LatheException(
          "a compressed model is a directory (compressed-tensors) or a .gguf file; "
              + artifact.getFileName()
              + " is neither: leave the ending out");
    }
    return HUGGING_FACE;
  }
}
