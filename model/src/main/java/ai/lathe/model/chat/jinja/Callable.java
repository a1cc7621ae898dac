package ai.lathe.model.chat.jinja;

/** What a template may call: macros, functions, and methods of strings, lists and dictionaries. */
@FunctionalInterface
interface Callable {
  Object call(Arguments arguments);
}
