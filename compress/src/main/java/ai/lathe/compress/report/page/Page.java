package ai.lathe.compress.report.page;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Properties;

/**
 * A page that opens from anywhere and loads nothing. Its policy lets only those two scripts run
 * that are in it, by their hashes, so that not even a mistake in escaping would run another.
 *
 * @param kind what it is, above the headline
 * @param headline the outcome in one sentence
 * @param summary HTML between headline and sections
 * @param data what the page is made of, as JSON
 */
public record Page(
    String version,
    String kind,
    String title,
    String headline,
    String summary,
    List<Section> sections,
    Object data) {

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .build();

  private static final String GENERATOR = "<meta name=\"generator\" content=\"Lathe ";

  /** The whole text. */
  public String html() {
    var charts = library();
    var script =
        "\"use strict\";\n{\n"
            + resource("axes.js")
            + resource("figures.js")
            + resource("page.js")
            + "}\n";
    var figures = new LinkedHashMap<String, Object>();
    var body = new StringBuilder();
    var contents = new StringBuilder();
    for (var section : sections) {
      body.append(section.html());
      contents.append(
          "<li><a href=\"#%s\">%s</a></li>".formatted(section.id(), Html.text(section.title())));
      figures.putAll(section.figures());
    }
    return """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
        style-src 'unsafe-inline'; img-src data:; script-src %s %s; base-uri 'none'; \
        form-action 'none'">
        %s%s">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>%s</title>
        <style>
        %s</style>
        </head>
        <body>
        <header>
        <p class="kind">%s</p>
        <h1>%s</h1>
        %s</header>
        <noscript><p class="missing">Charts are drawn by a script, which does not run here; \
        the tables hold the same numbers.</p></noscript>
        <nav aria-label="Contents"><ul>%s</ul></nav>
        <main>
        %s</main>
        <footer><p>Made by Lathe %s. This file loads nothing from anywhere.</p></footer>
        <script type="application/json" id="data">%s</script>
        <script type="application/json" id="figures">%s</script>
        <script>%s</script>
        <script>%s</script>
        </body>
        </html>
        """
        .formatted(
            hash(charts),
            hash(script),
            GENERATOR,
            Html.text(version),
            Html.text(title),
            resource("page.css"),
            Html.text(kind),
            Html.text(headline),
            summary,
            contents,
            body,
            Html.text(version),
            island(data),
            island(figures),
            charts,
            script);
  }

  /** Writes the text, beside the place and then into it. */
  public void write(Path file) {
    var partial = file.resolveSibling(file.getFileName() + ".partial");
    try {
      Files.write(partial, html().getBytes(StandardCharsets.UTF_8));
      Files.move(
          partial, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new LatheException("cannot write " + file + ": " + e.getMessage(), e);
    }
  }

  /** A model, file or folder without the folders that it is in. */
  public static String lastPart(String path) {
    var parts = path.split("[/\\\\]+");
    return parts.length == 0 ? path : parts[parts.length - 1];
  }

  /** Whether a file is a page of Lathe's, which may be replaced by a newer one. */
  public static boolean isAt(Path file) {
    try (var in = Files.newInputStream(file)) {
      return new String(in.readNBytes(4096), StandardCharsets.UTF_8).contains(GENERATOR);
    } catch (IOException e) {
      return false;
    }
  }

  /** JSON that cannot end the element it stands in. */
  private static String island(Object value) {
    try {
      return JSON.writeValueAsString(value)
          .replace("<", "\\u003c")
          .replace(">", "\\u003e")
          .replace("&", "\\u0026");
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String hash(String script) {
    try {
      var digest = MessageDigest.getInstance("SHA-256");
      var bytes = digest.digest(script.getBytes(StandardCharsets.UTF_8));
      return "'sha256-" + Base64.getEncoder().encodeToString(bytes) + "'";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  /** The library that draws, of whatever version the build has. */
  private static String library() {
    var version = new Properties();
    try (var in =
        Page.class.getResourceAsStream("/META-INF/maven/org.webjars/echarts/pom.properties")) {
      version.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return resource(
        "/META-INF/resources/webjars/echarts/%s/echarts.common.min.js"
            .formatted(version.getProperty("version")));
  }

  private static String resource(String name) {
    try (var in = Page.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException("the build lacks " + name);
      }
      // A page has one kind of line end, and hashes are of what a browser makes of it.
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r", "");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
