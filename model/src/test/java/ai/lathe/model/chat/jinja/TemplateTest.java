package ai.lathe.model.chat.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a hostile or broken template does: one clear line, in bounded time and memory. */
class TemplateTest {

  private static final LocalDateTime NOW = LocalDateTime.of(2025, 7, 6, 9, 5, 3);

  private static String render(String template) {
    return Template.parse("t", template).render(Map.of("s", "text", "l", List.of(1L, 2L)), NOW);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '!',
      value = {
        "{{ 'a !t, line 1: a string without its end",
        "{{ a !t, line 1: a tag without '}}'",
        "{# a !t, line 1: a comment '{#' without '#}'",
        "{% raw %} !t, line 1: 'raw' without 'endraw'",
        "{% for x in %}{% endfor %} !t, line 1: expected an expression, found '%}'",
        "{% if a %}{% endfor %} !t, line 1: 'if' without 'endif'",
        "{% endif %} !t, line 1: 'endif' without its beginning",
        "{% else %} !t, line 1: 'else' without its beginning",
        "{% frob %} !t, line 1: unknown tag 'frob'",
        "{% break %} !t, line 1: 'break' outside of a loop",
        "{% include 'x' %} !t, line 1: 'include' joins files; a chat template is a single one",
        "{{ a b }} !t, line 1: expected '}}', found 'b'",
        "{{ (1 }} !t, line 1: unexpected '}'",
        "{{ 1 @ 2 }} !t, line 1: unexpected character '@'",
        "{{ 1) }} !t, line 1: unexpected ')'",
        "{{ '\\xZZ' }} !t, line 1: an escape of a character needs 2 digits",
        "{{ 99999999999999999999 }} !t, line 1: the number 99999999999999999999 is too large",
        "{% set none = 1 %} !t, line 1: cannot assign to 'none'"
      })
  void doesNotParse(String template, String message) {
    assertThatThrownBy(() -> render(template.strip()))
        .isInstanceOf(FormatException.class)
        .hasMessage(message.strip());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '!',
      value = {
        "{{ x.y }} !t, line 1: 'x' is undefined",
        "{{ s.y.z }} !t, line 1: 'str' has no attribute 'y'",
        "{{ s + 1 }} !t, line 1: '+' does not work on str and int",
        "{{ s() }} !t, line 1: a value of type str cannot be called",
        "{{ s|frob }} !t, line 1: unknown filter 'frob'; did you mean",
        "{{ s is strin }} !t, line 1: unknown test 'strin'; did you mean 'string'",
        "{{ 1 // 0 }} !t, line 1: division by zero",
        "{{ 9223372036854775807 + 1 }} !t, line 1: an integer of more than 64 bits",
        "{{ l.append(3) }} !t, line 1: unsafe: a template may not call 'append'",
        "{{ x|tojson }} !t, line 1: a value of type undefined has no form in JSON",
        "{% set a, b = [1] %} !t, line 1: expected 2 values to unpack, found 1",
        "{% set s.a = 1 %} !t, line 1: cannot assign attribute on non-namespace 's'",
        "{{ 1 < 'a' }} !t, line 1: '<' does not compare int and str",
        "{% for x in 1 %}{% endfor %} !t, line 1: a loop goes through no int",
        "{{ {[1]: 2} }} !t, line 1: a list cannot be a key",
        "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }} !t, line 1: m takes at most 1 arguments, not 2",
        "{{ s|tojson(frob=1) }} !t, line 1: tojson has no parameter 'frob'"
      })
  void fails(String template, String message) {
    assertThatThrownBy(() -> render(template.strip()))
        .isInstanceOf(FormatException.class)
        .hasMessageStartingWith(message.strip());
  }

  @Test
  void theLineOfAFailureIsWhereItHappens() {
    assertThatThrownBy(
            () -> render("a\n{# b\nc #}\n{% if true %}\n  {{\n  missing.x }}\n{% endif %}"))
        .hasMessage("t, line 6: 'missing' is undefined");
  }

  /** Nothing of Java's is there to be reached. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "s.class",
        "s.getClass",
        "s['class']",
        "l.stream",
        "l.getClass",
        "s.__class__",
        "s.bytes",
        "namespace.class",
        "range.getClass",
        "dict().class",
        "l.iterator",
        "loop.class"
      })
  void reachesNoObjectOfJava(String expression) {
    assertThat(render("{% for i in [1] %}{{ " + expression + " is defined }}{% endfor %}"))
        .isEqualTo("False");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ 'a' * 999999999 }}",
        "{{ 'a' * 9223372036854775807 }}",
        "{{ [1] * 9223372036854775807 }}",
        "{{ range(999999999)|list }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'aaaaaaaaaa' * 1000 }}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
        "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l }}",
        "{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l|tojson }}",
        "{% set n = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set n.l = [n.l, n.l] %}{% set n.m = [n.m, n.m] %}{% endfor %}{{ n.l == n.m }}",
        "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}{{ n.l }}",
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{{ a|replace('a', a) }}",
        "{% set a = 'a' * 1000000 %}{{ a|replace('', a) }}",
        "{% set a = 'a' * 1000000 %}{{ a.join(a|list) }}",
        "{% set a = 'a\\n' * 1000000 %}{{ a|indent(1000) }}",
        "{{ 'a'.ljust(999999999) }}",
        "{{ 'a'.zfill(999999999) }}",
        "{{ 10 ** 99999999999 }}",
        "{% set a = 'a' * 10000 %}{{ '{0}{0}{0}'.format(a * 1000) * 9 }}"
      })
  void costsNoMoreThanItMay(String template) {
    assertThatThrownBy(() -> render(template)).isInstanceOf(FormatException.class);
  }

  @Test
  void deepNestingIsRefusedNotOverflown() {
    for (var deep :
        List.of(
            "{{ " + "(".repeat(20_000) + " }}",
            "{{ " + "-".repeat(20_000) + "1 }}",
            "{{ " + "not ".repeat(20_000) + "1 }}",
            "{{ " + "[".repeat(20_000) + " }}",
            "{{ a" + "[a".repeat(20_000) + " }}",
            "{{ 1" + " if 1 else 1".repeat(20_000) + " }}",
            "{% if 1 %}".repeat(20_000))) {
      assertThatThrownBy(() -> render(deep)).isInstanceOf(FormatException.class);
    }
    // Chains are loops of the parser, but trees of the evaluation.
    assertThatThrownBy(() -> render("{{ 1" + " + 1".repeat(300_000) + " }}"))
        .isInstanceOf(FormatException.class);
  }

  /** Pieces of real syntax in every order: a text, or one clear line. */
  @Test
  void anyTextIsRenderedOrRefused() {
    var pieces =
        List.of(
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{%-",
            "-%}",
            " if ",
            " for ",
            " in ",
            " endfor ",
            " endif ",
            " else ",
            " set ",
            " macro m(",
            " endmacro ",
            " raw ",
            " endraw ",
            "s",
            "l",
            "x",
            "=",
            "==",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ":",
            ",",
            ".",
            "|",
            "~",
            "*",
            "**",
            "-",
            "1",
            "2.5",
            "'a'",
            "\"",
            "\\",
            "\n",
            " is ",
            " not ",
            " defined ",
            "tojson",
            "join",
            "split",
            "items",
            "loop",
            "namespace(",
            "range(",
            " and ",
            " or ",
            "\ud83d\ude00");
    var random = new Random(7);
    int rendered = 0;
    for (int i = 0; i < 5_000; i++) {
      var template = new StringBuilder(random.nextBoolean() ? "{{ " : "{% ");
      for (int n = random.nextInt(12); n >= 0; n--) {
        template.append(pieces.get(random.nextInt(pieces.size())));
      }
      template.append(random.nextBoolean() ? " }}" : " %}");
      try {
        render(template.toString());
        rendered++;
      } catch (FormatException expected) {
        assertThat(expected.getMessage()).startsWith("t, line ").doesNotContain("\n");
      }
    }
    assertThat(rendered).isGreaterThan(30);
  }

  /** A whole template with bytes changed here and there. */
  @Test
  void aDamagedTemplateIsRenderedOrRefused() throws Exception {
    byte[] whole;
    try (var in = TemplateTest.class.getResourceAsStream("/chat/templates/expressions.jinja")) {
      whole = in.readAllBytes();
    }
    var random = new Random(8);
    var failures = new ArrayList<String>();
    for (int i = 0; i < 200; i++) {
      var damaged = whole.clone();
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        damaged[random.nextInt(damaged.length)] = (byte) (32 + random.nextInt(95));
      }
      try {
        render(new String(damaged, StandardCharsets.UTF_8));
      } catch (FormatException expected) {
        failures.add(expected.getMessage());
      }
    }
    assertThat(failures).hasSizeGreaterThan(30).allMatch(line -> line.startsWith("t, line "));
  }
}
