package ai.lathe.cli;

import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LatheException;

/** What {@code --group-size} takes. */
final class GroupSize {

  static final String DESCRIPTION =
      "Weights of a row that share a scale, instead of the scheme's; 'channel' for all.";

  private GroupSize() {}

  static int parse(String given) {
    if (given.equals("channel")) {
      return IntegerScheme.CHANNEL;
    }
    try {
      int size = Integer.parseInt(given);
      if (size > 0) {
        return size;
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw new LatheException("--group-size is a positive number or 'channel', not '" + given + "'");
  }
}
