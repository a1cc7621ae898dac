package ai.lathe.compress.report;

import ai.lathe.model.BlockWidths;
import java.util.List;

/**
 * What became of the widths of blocks.
 *
 * @param method that chose the features that stay, by name
 * @param asked share of the weights of the blocks' linear layers to remove
 * @param removed share that is gone
 * @param blocks each block, in order
 */
public record WidthsReport(String method, double asked, double removed, List<Block> blocks) {

  public WidthsReport {
    blocks = blocks == null ? List.of() : List.copyOf(blocks);
  }

  /**
   * One block.
   *
   * @param influence of the original block: one less the mean cosine of what goes in and what comes
   *     out
   * @param before its widths in the original
   * @param widths its widths
   * @param weights of its linear layers in the original
   * @param removed how many of them are gone
   */
  public record Block(
      double influence, BlockWidths before, BlockWidths widths, long weights, long removed) {}
}
