package ai.lathe.compress.report.page;

import java.util.List;
import java.util.Optional;

/** How narrow each block became. */
final class Widths {

  private static final String ID = "widths";
  private static final String TITLE = "Widths of blocks";

  private Widths() {}

  /** Empty where no run changed any. */
  static Optional<Section> of(List<Run> runs) {
    var narrowed = runs.stream().filter(run -> run.report().widths() != null).toList();
    if (narrowed.isEmpty()) {
      return Optional.empty();
    }
    var html = new StringBuilder();
    for (var run : narrowed) {
      var widths = run.report().widths();
      html.append("<p class=\"remark\">")
          .append(
              Html.text(
                  "%s%s removed %s of the weights of the blocks' linear layers; %s was asked for."
                      .formatted(
                          runs.size() == 1 ? "" : run.name() + ": ",
                          widths.method(),
                          Numbers.percent(widths.removed()),
                          Numbers.percent(widths.asked()))))
          .append("</p>\n");
      var table =
          new Table(
              "widths of blocks, " + run.name(),
              List.of(
                  "block",
                  "influence",
                  "feed-forward",
                  "query and key heads",
                  "value heads",
                  "weights removed",
                  "share"));
      for (int b = 0; b < widths.blocks().size(); b++) {
        var block = widths.blocks().get(b);
        var before = block.before();
        table.row(
            List.of(
                Integer.toString(b),
                Numbers.fixed(block.influence(), 4),
                width(block.widths().feedForward(), before.feedForward()),
                width(block.widths().keySize(), before.keySize()),
                width(block.widths().valueSize(), before.valueSize()),
                Numbers.count(block.removed()),
                Numbers.percent((double) block.removed() / block.weights())));
      }
      html.append(table.html());
    }
    return Optional.of(
        new Section(
            ID,
            TITLE,
            "Inner features of each block that are left. The influence of a block is one less the mean"
                + " cosine of what goes in and what comes out of it in the original; blocks of little"
                + " influence lose more.",
            html.toString()));
  }

  private static String width(int width, int before) {
    return width + " of " + before;
  }
}
