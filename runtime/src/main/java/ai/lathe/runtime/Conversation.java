package ai.lathe.runtime;

import ai.lathe.model.chat.Message;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What an assistant answers.
 *
 * @param messages in their order, at least one
 * @param tools that the model may call, as JSON schemas of functions
 * @param variables that the model's chat template reads beside them, such as {@code
 *     enable_thinking}
 */
public record Conversation(
    List<Message> messages, List<ObjectNode> tools, Map<String, Object> variables) {

  public Conversation {
    messages = List.copyOf(messages);
    tools = List.copyOf(tools);
    // Values may be null, which Map.copyOf refuses.
    variables = new LinkedHashMap<>(variables);
    if (messages.isEmpty()) {
      throw new LatheException("the conversation has no messages");
    }
  }

  /** Without tools and variables of the template's own. */
  public static Conversation of(List<Message> messages) {
    return new Conversation(messages, List.of(), Map.of());
  }
}
