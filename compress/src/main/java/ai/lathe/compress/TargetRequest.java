package ai.lathe.compress;

import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.allocation.Measure;
import ai.lathe.compress.budget.Goal;

/**
 * What to make of a level database.
 *
 * @param compression model, artifact, texts and the kind of artifact; its recipe is empty
 * @param database of levels, as people call it
 * @param measure of the losses that are added up
 * @param recalibrate solve the chosen levels again, each layer on what the compressed layers before
 *     it give, instead of taking them as the database holds them
 */
public record TargetRequest(
    CompressionRequest compression,
    Goal goal,
    String database,
    Allocator allocator,
    Measure measure,
    boolean recalibrate) {}
