package ai.lathe.model.hub;

import ai.lathe.format.FormatException;

/** Names of files as a server gives them: nobody vouches for them, and they become local paths. */
final class FileNames {

  private static final int LONGEST = 1000;

  private FileNames() {}

  /**
   * Whether a name stays below the folder that it is resolved against, on every system: parts
   * between slashes, none of them empty, {@code .} or {@code ..}, no backslash, no drive, no
   * control characters.
   */
  static boolean safe(String name) {
    if (name.isEmpty() || name.length() > LONGEST) {
      return false;
    }
    for (var part : name.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        return false;
      }
    }
    return name.codePoints()
        .noneMatch(
            c ->
                c == '\\'
                    || c == ':'
                    || Character.isISOControl(c)
                    || Character.getType(c) == Character.FORMAT
                    || Character.getType(c) == Character.SURROGATE);
  }

  /** The same name; refuses one that is not {@link #safe}. */
  static String check(String name, String where) {
    if (!safe(name)) {
      throw new FormatException(where + ": refused for the unsafe file name '" + name + "'");
    }
    return name;
  }

  /** A server's words on one line, for a message. */
  static String printable(String text) {
    return text.replaceAll("[\\p{Cntrl}\\p{Cf}]", "?");
  }
}
