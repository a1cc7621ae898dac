package ai.lathe.model.hub;

import ai.lathe.format.FormatException;
import ai.lathe.format.Json;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * What a revision holds, as the hub lists it.
 *
 * @param commit 40 hexadecimal digits
 * @param files names with slashes, every one {@link FileNames#safe}
 */
record Revision(String commit, Set<String> files) {

  /** Above any listing in use: the largest repositories hold some ten thousand files. */
  static final int LARGEST_LISTING = 16 << 20;

  /**
   * Reads the answer of {@code /api/models/org/name/revision/main}.
   *
   * @param where names the model in messages
   */
  static Revision parse(byte[] text, String where) {
    var answer = Json.parse(text, where + ": the hub's answer");
    var sha = answer.get("sha");
    if (sha == null || !sha.isTextual() || !sha.textValue().matches("[0-9a-f]{40}")) {
      throw new FormatException(where + ": the hub names no commit; is HF_ENDPOINT a hub?");
    }
    var siblings = answer.get("siblings");
    if (siblings == null || !siblings.isArray()) {
      throw new FormatException(where + ": the hub lists no files; is HF_ENDPOINT a hub?");
    }
    var files = new LinkedHashSet<String>();
    for (JsonNode sibling : siblings) {
      var name = sibling.get("rfilename");
      if (name == null || !name.isTextual()) {
        throw new FormatException(where + ": the hub lists a file without a name");
      }
      files.add(FileNames.check(name.textValue(), where));
    }
    return new Revision(sha.textValue(), files);
  }
}
