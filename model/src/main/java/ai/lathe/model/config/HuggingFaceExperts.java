package ai.lathe.model.config;

import ai.lathe.format.FormatException;
import ai.lathe.format.JsonFields;
import ai.lathe.model.ModelConfig.Experts;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.model.architecture.Architecture.Routing;
import ai.lathe.model.architecture.Role;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The fields of {@code config.json} that describe a mixture of experts. */
final class HuggingFaceExperts {

  /** Older files have the one, transformers 5 writes the other. */
  private static final List<String> COUNTS = List.of("num_local_experts", "num_experts");

  private static final String PER_TOKEN = "num_experts_per_tok";
  private static final String NORMALIZED = "norm_topk_prob";

  /** Architectures with dense blocks too have a width for experts alone. */
  private static final String WIDTH = "moe_intermediate_size";

  private static final String STEP = "decoder_sparse_step";
  private static final String DENSE = "mlp_only_layers";

  private HuggingFaceExperts() {}

  static Optional<Experts> read(JsonFields fields, Architecture architecture, int blocks) {
    if (!architecture.has(Role.ROUTER)) {
      COUNTS.forEach(key -> refuse(fields, key, architecture));
      return Optional.empty();
    }
    int count = fields.count(present(fields), Limits.EXPERTS);
    boolean both = architecture.has(Role.GATE);
    return Optional.of(
        new Experts(
            count,
            fields.count(PER_TOKEN, count),
            fields.count(both ? WIDTH : "intermediate_size", Limits.WIDTH),
            architecture.routing() == Routing.NORMALIZED || fields.flag(NORMALIZED, false),
            both ? denseBlocks(fields, blocks) : Set.of()));
  }

  private static String present(JsonFields fields) {
    return COUNTS.stream().filter(fields::has).findFirst().orElse(COUNTS.getFirst());
  }

  private static void refuse(JsonFields fields, String key, Architecture architecture) {
    var value = fields.get(key);
    if (value.isPresent() && value.get().asInt() != 0) {
      throw new FormatException(
          fields.where()
              + ": '"
              + key
              + "' = "
              + value.get()
              + " is not supported; a "
              + architecture.name()
              + " has no experts");
    }
  }

  /**
   * As transformers decides it: a block has experts where its number, from 1, is a multiple of the
   * step, unless it is listed.
   */
  private static Set<Integer> denseBlocks(JsonFields fields, int blocks) {
    var dense = new HashSet<Integer>();
    int step = fields.count(STEP, Integer.MAX_VALUE, 1);
    for (int block = 0; block < blocks; block++) {
      if ((block + 1) % step != 0) {
        dense.add(block);
      }
    }
    var listed = fields.get(DENSE);
    if (listed.isPresent()) {
      if (!listed.get().isArray()) {
        throw fields.wrong(DENSE, "a list of blocks");
      }
      for (JsonNode block : listed.get()) {
        if (!block.isInt() || block.intValue() < 0) {
          throw fields.wrong(DENSE, "a list of blocks");
        }
        dense.add(block.intValue());
      }
    }
    return dense;
  }

  static void write(Experts experts, Architecture architecture, ObjectNode json) {
    json.put(COUNTS.getFirst(), experts.count()).put(PER_TOKEN, experts.perToken());
    if (architecture.has(Role.GATE)) {
      // Files from before transformers 5 are read by this name.
      json.put(COUNTS.getLast(), experts.count()).put(WIDTH, experts.feedForward()).put(STEP, 1);
      var dense = json.putArray(DENSE);
      experts.denseBlocks().stream().sorted().forEach(dense::add);
    }
    if (architecture.routing() == Routing.CONFIGURED) {
      json.put(NORMALIZED, experts.normalized());
    }
  }
}
