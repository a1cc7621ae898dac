package ai.lathe.compress.report.page;

import java.util.Map;

/**
 * One part of a page.
 *
 * @param id of its heading
 * @param caption what it shows and what is good, in plain words
 * @param body HTML
 * @param figures what the script draws, by the id of its place, as JSON takes it
 */
public record Section(
    String id, String title, String caption, String body, Map<String, Object> figures) {

  /** Text and tables. */
  public Section(String id, String title, String caption, String body) {
    this(id, title, caption, body, Map.of());
  }

  /** A part whose numbers the report does not hold. */
  static Section missing(String id, String title, String why) {
    return new Section(id, title, "", "<p class=\"missing\">" + Html.text(why) + "</p>\n");
  }

  /**
   * A place for the script to draw in.
   *
   * @param described what a person who cannot see it should know of it
   */
  public static String chart(String id, String described) {
    return "<div class=\"chart\" data-figure=\"%s\" role=\"img\" aria-label=\"%s\"></div>%n"
        .formatted(Html.text(id), Html.text(described))
        .replace("\r", "");
  }

  String html() {
    return "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">%s</h2>\n%s%s</section>\n"
        .formatted(
            id,
            id,
            id,
            Html.text(title),
            caption.isEmpty() ? "" : "<p class=\"caption\">" + Html.text(caption) + "</p>\n",
            body);
  }
}
