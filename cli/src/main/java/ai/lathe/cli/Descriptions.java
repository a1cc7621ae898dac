package ai.lathe.cli;

/** What several commands say about the same thing. */
final class Descriptions {

  static final String MODEL =
      "A directory in Hugging Face layout, a .gguf, .safetensors or .onnx file, or org/name on a"
          + " hub.";

  static final String JSON = "Print one JSON object on standard output and nothing else there.";

  static final String TEXT =
      "Plain text (.txt, .raw, .md), JSON records (.jsonl, .json) or a Parquet table.";

  static final String FIELD =
      "Field of JSON records or Parquet tables that holds the text. Default: ${DEFAULT-VALUE}.";

  static final String FORMAT =
      "How a directory stores quantized layers: compressed-tensors, gptq, gptq_v2 or awq. Default:"
          + " compressed-tensors.";

  private Descriptions() {}
}
