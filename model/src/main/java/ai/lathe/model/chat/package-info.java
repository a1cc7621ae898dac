/**
 * Chat templates: a conversation as the text that a model was trained on. {@link
 * ai.lathe.model.chat.ChatTemplate} finds a model's template and fills it.
 */
package ai.lathe.model.chat;
