package ai.lathe.format;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/**
 * A file that is not what it claims to be: truncated, contradictory or hostile. The message names
 * the file and the field, and is one line whatever the names in the file contain.
 */
public final class FormatException extends LatheException {

  private static final long serialVersionUID = 1L;
  private static final int LONGEST_MESSAGE = 1000;

  public FormatException(String message) {
    super(oneLine(message));
  }

  public FormatException(String message, Throwable cause) {
    super(oneLine(message), cause);
  }

  /** A failed file operation; {@code what} is for example {@code cannot read /a/b}. */
  public static FormatException io(String what, IOException e) {
    var reason =
        switch (e) {
          case NoSuchFileException missing -> "no such file";
          case AccessDeniedException denied -> "permission denied";
          case FileSystemException system when system.getReason() != null -> system.getReason();
          default -> e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
        };
    return new FormatException(what + ": " + reason, e);
  }

  /** Names come from the file itself: they may hold line ends, terminal escapes, or megabytes. */
  private static String oneLine(String message) {
    var line = new StringBuilder(Math.min(message.length(), LONGEST_MESSAGE));
    message
        .codePoints()
        .limit(LONGEST_MESSAGE)
        .map(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT ? '?' : c)
        .forEach(line::appendCodePoint);
    return line.toString();
  }
}
