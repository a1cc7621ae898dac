package ai.lathe.model.chat;

import ai.lathe.format.Json;
import ai.lathe.tensor.LatheException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * One message of a conversation, as JSON: {@code role}, {@code content}, and whatever else the
 * model's template reads, such as {@code tool_calls}, {@code tool_call_id} or {@code
 * reasoning_content}. All of it is passed through as it is.
 */
public record Message(ObjectNode json) {

  /**
   * @throws LatheException without a role
   */
  public Message {
    if (!json.path("role").isTextual()) {
      throw new LatheException(
          "a message needs a role: \"system\", \"user\", \"assistant\" or \"tool\"");
    }
  }

  public static Message of(String role, String content) {
    return new Message(Json.object().put("role", role).put("content", content));
  }

  public static Message system(String content) {
    return of("system", content);
  }

  public static Message user(String content) {
    return of("user", content);
  }

  public static Message assistant(String content) {
    return of("assistant", content);
  }

  /** What a tool answered to the call with this id. */
  public static Message tool(String callId, String content) {
    var message = of("tool", content);
    message.json.put("tool_call_id", callId);
    return message;
  }

  public String role() {
    return json.get("role").textValue();
  }

  /** A text, a list of parts, or JSON's null or nothing where the message has none. */
  public JsonNode content() {
    return json.path("content");
  }
}
