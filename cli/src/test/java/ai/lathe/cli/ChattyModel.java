package ai.lathe.cli;

import ai.lathe.model.EmbeddedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The embedded model with a chat template, though it was never taught to converse. */
final class ChattyModel {

  static final String TEMPLATE =
      "{{ bos_token }}{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}"
          + "{{ raise_exception('no role ' ~ m.role) }}{% endif %}"
          + "{{ m.role }}: {{ m.content }}\n{% endfor %}"
          + "{% if add_generation_prompt %}assistant:{% endif %}";

  private ChattyModel() {}

  static Path in(Path directory, String template) throws IOException {
    var model = EmbeddedModel.extract(directory).directory();
    Files.writeString(model.resolve("chat_template.jinja"), template);
    return model;
  }
}
