package ai.lathe.torch.train;

import ai.lathe.tensor.LatheException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Texts, each cut once: what training sees, and a tail that it never sees.
 *
 * @param training beginnings of the texts
 * @param heldOut ends of the texts
 */
record Corpus(List<String> training, List<String> heldOut) {

  /** Share of each text that is held out. */
  private static final double HELD_OUT = 0.05;

  static Corpus read(List<Path> files) {
    var training = new ArrayList<String>();
    var heldOut = new ArrayList<String>();
    for (var file : files) {
      String text;
      try {
        text = Files.readString(file);
      } catch (IOException e) {
        throw new LatheException("cannot read " + file + " as UTF-8 text: " + e.getMessage(), e);
      }
      int cut = lineAfter(text, (int) (text.length() * (1 - HELD_OUT)));
      training.add(text.substring(0, cut));
      heldOut.add(text.substring(cut));
    }
    return new Corpus(training, heldOut);
  }

  /** About {@code characters} of training text, from the end of each text's part. */
  String calibrationExcerpt(int characters) {
    var excerpt = new StringBuilder();
    for (var text : training) {
      int from = Math.max(0, text.length() - characters / training.size());
      excerpt.append(text.substring(lineAfter(text, from)));
    }
    return excerpt.toString();
  }

  /** About {@code characters} of held-out text, from the beginning of each text's part. */
  String heldOutExcerpt(int characters) {
    var excerpt = new StringBuilder();
    for (var text : heldOut) {
      int to = Math.min(text.length(), characters / heldOut.size());
      excerpt.append(text, 0, lineAfter(text, to));
    }
    return excerpt.toString();
  }

  private static int lineAfter(String text, int position) {
    int end = text.indexOf('\n', position);
    return end < 0 ? text.length() : end + 1;
  }
}
