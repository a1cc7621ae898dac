package ai.lathe.model.hub;

import static org.assertj.core.api.Assertions.assertThat;

import ai.lathe.tensor.LatheException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Whatever a server sends as a listing: it is refused in one line, or every name in it is safe. */
class RevisionFuzzTest {

  private static final String VALID =
      """
      {"id": "acme/tiny", "private": false, "sha": "0123456789abcdef0123456789abcdef01234567",
       "siblings": [{"rfilename": "config.json"}, {"rfilename": "a/b.safetensors", "size": 12}]}""";

  private static final String[] WORDS = {
    "..", "/", "\\\\", "\\u0000", "null", "[", "{", "\"", "\"rfilename\":", "C:", "1e999", "\n"
  };

  @Property(tries = 5000)
  void aListingIsRefusedOrSafe(@ForAll("listings") byte[] text) {
    Revision revision;
    try {
      revision = Revision.parse(text, "acme/tiny");
    } catch (LatheException e) {
      assertThat(e.getMessage()).startsWith("acme/tiny: ").doesNotContain("\n");
      return;
    }
    var snapshot = Path.of("/cache/snapshots/0");
    assertThat(revision.commit()).matches("[0-9a-f]{40}");
    assertThat(revision.files())
        .allMatch(name -> snapshot.resolve(name).normalize().equals(snapshot.resolve(name)))
        .allMatch(name -> snapshot.resolve(name).startsWith(snapshot))
        .noneMatch(name -> name.contains("\\"));
  }

  @Provide
  Arbitrary<byte[]> listings() {
    return Arbitraries.randomValue(
        random -> {
          var text = VALID;
          for (int i = random.nextInt(4); i >= 0; i--) {
            text = damaged(text, random);
          }
          var bytes = text.getBytes(StandardCharsets.UTF_8);
          if (random.nextInt(4) == 0 && bytes.length > 0) {
            bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
          }
          return random.nextInt(10) == 0
              ? Arrays.copyOf(bytes, random.nextInt(bytes.length + 1))
              : bytes;
        });
  }

  private static String damaged(String text, Random random) {
    int at = random.nextInt(text.length());
    int to = Math.min(text.length(), at + random.nextInt(6));
    var word = random.nextBoolean() ? WORDS[random.nextInt(WORDS.length)] : "";
    var damaged = text.substring(0, at) + word + text.substring(to);
    return damaged.isEmpty() ? VALID : damaged;
  }
}
