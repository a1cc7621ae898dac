package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import ai.lathe.format.TensorSource;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The configuration of a BERT that comes as an ONNX file alone: all sizes are in its tensors'
 * shapes but one.
 *
 * <p>The number of heads cannot be seen. Heads of 64 features are taken, as BERT has them, and of
 * 32 for a width of 384, as MiniLM, BGE-small and E5-small have; a {@code config.json} beside the
 * file says better.
 */
public final class OnnxConfig {

  private static final int SMALL_WIDTH = 384;

  private OnnxConfig() {}

  /**
   * The {@code config.json} that it should have come with.
   *
   * @param where names the file in messages
   */
  public static ObjectNode derive(TensorSource tensors, String where) {
    var prefix = tensors.names().contains("bert.embeddings.word_embeddings.weight") ? "bert." : "";
    if (!tensors.names().contains(prefix + "embeddings.word_embeddings.weight")) {
      throw new FormatException(
          where + ": no config.json beside it, and its tensors are not those of a BERT");
    }
    var words = shape(tensors, prefix + "embeddings.word_embeddings.weight", where);
    int blocks = 0;
    while (tensors.names().contains(prefix + "encoder.layer." + blocks + ".output.dense.weight")) {
      blocks++;
    }
    var json = Json.object();
    json.putArray("architectures").add("BertModel");
    json.put("model_type", "bert");
    json.put("hidden_size", words[1]);
    json.put("vocab_size", words[0]);
    json.put("num_hidden_layers", blocks);
    json.put("num_attention_heads", Math.max(1, words[1] / (words[1] == SMALL_WIDTH ? 32 : 64)));
    if (blocks > 0) {
      json.put(
          "intermediate_size",
          shape(tensors, prefix + "encoder.layer.0.intermediate.dense.weight", where)[0]);
    }
    json.put(
        "max_position_embeddings",
        shape(tensors, prefix + "embeddings.position_embeddings.weight", where)[0]);
    json.put(
        "type_vocab_size",
        shape(tensors, prefix + "embeddings.token_type_embeddings.weight", where)[0]);
    json.put("hidden_act", "gelu");
    json.put("layer_norm_eps", 1e-12);
    json.put("position_embedding_type", "absolute");
    return json;
  }

  private static long[] shape(TensorSource tensors, String name, String where) {
    var shape = tensors.info(name).shape();
    if (shape.length != 2) {
      throw new FormatException(where + ": tensor '" + name + "' is not a matrix");
    }
    return shape;
  }
}
