package ai.lathe.compress.report;

import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Bytes of one part of a model, before and after.
 *
 * @param part what it is, in words
 */
public record SizePart(String part, long originalBytes, long artifactBytes) {

  public SizePart {
    Objects.requireNonNull(part, "bytes of no part");
  }

  private enum Part {
    EMBEDDINGS("embeddings"),
    ATTENTION("attention"),
    FEED_FORWARD("feed-forward"),
    EXPERTS("experts"),
    VECTORS("norms and biases"),
    HEAD("output head"),
    REST("headers, tokenizer, settings");

    private final String words;

    Part(String words) {
      this.words = words;
    }
  }

  /**
   * All bytes of both models, by part; parts that neither has are left out. A tied output head is
   * its embeddings.
   */
  public static List<SizePart> of(Checkpoint original, Checkpoint artifact) {
    var before = bytes(original);
    var after = bytes(artifact);
    var parts = new ArrayList<SizePart>();
    for (var part : Part.values()) {
      long was = before.getOrDefault(part, 0L);
      long is = after.getOrDefault(part, 0L);
      if (was != 0 || is != 0) {
        parts.add(new SizePart(part.words, was, is));
      }
    }
    return parts;
  }

  private static Map<Part, Long> bytes(Checkpoint model) {
    var bytes = new EnumMap<Part, Long>(Part.class);
    for (var address : model.addresses()) {
      bytes.merge(part(model, address), bytes(model, address), Math::addExact);
    }
    long tensors = bytes.values().stream().mapToLong(Long::longValue).sum();
    bytes.put(Part.REST, model.bytes() - tensors);
    return bytes;
  }

  private static long bytes(Checkpoint model, Address address) {
    if (address.isVector(model.architecture())) {
      return model.vector(address).orElseThrow().data().byteSize();
    }
    var matrix = model.matrix(address);
    return matrix.encoding().bytes(matrix.rows(), matrix.columns());
  }

  private static Part part(Checkpoint model, Address address) {
    if (address.isVector(model.architecture())) {
      return Part.VECTORS;
    }
    return switch (address.role()) {
      case TOKEN_EMBEDDING, POSITION_EMBEDDING, TOKEN_TYPE_EMBEDDING -> Part.EMBEDDINGS;
      case QUERY, KEY, VALUE, QUERY_KEY_VALUE, ATTENTION_OUTPUT -> Part.ATTENTION;
      case GATE, UP, GATE_UP, DOWN -> Part.FEED_FORWARD;
      case ROUTER, EXPERT_GATE, EXPERT_UP, EXPERT_DOWN -> Part.EXPERTS;
      case HEAD_TRANSFORM, OUTPUT -> Part.HEAD;
      case EMBEDDING_NORM,
          ATTENTION_NORM,
          QUERY_NORM,
          KEY_NORM,
          ROTARY_PAIRS,
          ATTENTION_OUTPUT_NORM,
          FEED_FORWARD_NORM,
          FEED_FORWARD_OUTPUT_NORM,
          OUTPUT_NORM,
          HEAD_NORM ->
          Part.VECTORS;
    };
  }
}
