package ai.lathe.model.chat.jinja;

import java.util.Map;

/** The one value whose attributes a template may set from within a loop. */
record Namespace(Map<String, Object> attributes) {}
