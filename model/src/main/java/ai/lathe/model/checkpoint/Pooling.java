package ai.lathe.model.checkpoint;

import ai.lathe.format.Json;
import java.util.Map;

/** How a sentence encoder makes one vector of its tokens' states. */
enum Pooling {
  MEAN(1),
  FIRST_TOKEN(2);

  private final int ggufId;

  Pooling(int ggufId) {
    this.ggufId = ggufId;
  }

  /** llama.cpp's number for it. */
  int ggufId() {
    return ggufId;
  }

  /**
   * As {@code 1_Pooling/config.json} of sentence-transformers says; the mean where it is absent.
   */
  static Pooling of(Map<String, byte[]> companions) {
    var file = companions.get("1_Pooling/config.json");
    if (file == null) {
      return MEAN;
    }
    var json = Json.parse(file, "1_Pooling/config.json");
    return json.path("pooling_mode_cls_token").asBoolean() ? FIRST_TOKEN : MEAN;
  }
}
