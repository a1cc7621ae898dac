/**
 * The template language of Jinja2, as far as chat templates speak it, with Python's values and
 * their printing: {@link ai.lathe.model.chat.jinja.Template} is the only entry.
 */
package ai.lathe.model.chat.jinja;
