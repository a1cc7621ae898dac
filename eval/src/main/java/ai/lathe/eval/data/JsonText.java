package ai.lathe.eval.data;

import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A field of JSON records: one record a line, or all in one array. Other fields are skipped without
 * being held.
 */
record JsonText(Path file, String field) implements TextData {

  private static final JsonFactory JSON = new JsonFactory();

  @Override
  public Stream<String> documents() {
    return records().stream();
  }

  @Override
  public Reader reader() {
    return records().joined();
  }

  private Documents records() {
    JsonParser parser;
    try {
      parser = JSON.createParser(Utf8.open(file));
    } catch (IOException e) {
      throw Utf8.unreadable(file, e);
    }
    return new Documents() {
      private boolean inArray;

      @Override
      String read() {
        try {
          var token = parser.nextToken();
          if (token == JsonToken.START_ARRAY && !inArray) {
            inArray = true;
            token = parser.nextToken();
          }
          if (token == JsonToken.END_ARRAY && inArray) {
            inArray = false;
            return read();
          }
          if (token == null) {
            return null;
          }
          if (token != JsonToken.START_OBJECT) {
            throw new LatheException(
                where(parser) + " holds no JSON object; each record is {\"" + field + "\": ...}");
          }
          return record(parser);
        } catch (JsonProcessingException e) {
          throw new LatheException(where(parser) + " is not JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
          throw Utf8.unreadable(file, e);
        }
      }

      @Override
      public void close() {
        try {
          parser.close();
        } catch (IOException e) {
          throw Utf8.unreadable(file, e);
        }
      }
    };
  }

  /** Text of the record that the parser just entered; empty where its field is null. */
  private String record(JsonParser parser) throws IOException {
    int line = parser.currentTokenLocation().getLineNr();
    String text = null;
    List<String> texts = new ArrayList<>();
    while (parser.nextToken() != JsonToken.END_OBJECT) {
      var name = parser.currentName();
      var value = parser.nextToken();
      if (name.equals(field)) {
        text =
            switch (value) {
              case VALUE_STRING -> parser.getText();
              case VALUE_NULL -> "";
              default ->
                  throw new LatheException(
                      file + ", line " + line + ": field '" + field + "' holds no text");
            };
      } else if (value == JsonToken.VALUE_STRING && texts.size() < Fields.NAMED) {
        texts.add(name);
      }
      parser.skipChildren();
    }
    if (text == null) {
      throw Fields.missing(file + ", line " + line, "field", field, texts);
    }
    return text;
  }

  private String where(JsonParser parser) {
    return file + ", line " + parser.currentLocation().getLineNr();
  }
}
