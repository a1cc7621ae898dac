package ai.lathe.compress.layer;

import ai.lathe.tensor.LinearWeight;
import java.util.List;

/**
 * A compressed layer.
 *
 * @param fallbacks what did not go as configured, one sentence each (dampening raised, rounding to
 *     nearest instead); empty where all went as configured
 */
public record Solution(LinearWeight weight, List<String> fallbacks) {}
