package ai.lathe.model.chat.jinja;

import ai.lathe.model.chat.jinja.Token.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * Cuts a template into tokens. White space is that of Jinja2 with {@code trim_blocks} and {@code
 * lstrip_blocks}, as chat templates are rendered: a block or comment alone on its line leaves
 * nothing of the line.
 */
final class Lexer {

  /** Longer ones first. */
  private static final List<String> OPERATORS =
      List.of(
          "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")",
          "[", "]", "{", "}", ",", ":", "|", ".", ";");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int at;
  private int line = 1;

  /** Whether what comes next begins a line. */
  private boolean lineStart = true;

  private Lexer(String source) {
    this.source = source;
  }

  /** Throws {@link SyntaxFailure}. */
  static List<Token> tokens(String template) {
    var source = template.replace("\r\n", "\n").replace('\r', '\n');
    if (source.endsWith("\n")) {
      source = source.substring(0, source.length() - 1);
    }
    var lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < source.length()) {
      int tag = nextTag();
      if (tag < 0) {
        text(source.substring(at));
        at = source.length();
        break;
      }
      char kind = source.charAt(tag + 1);
      char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
      boolean signed = sign == '-' || sign == '+';
      text(before(tag, kind, signed ? sign : ' '));
      at = tag + (signed ? 3 : 2);
      switch (kind) {
        case '#' -> comment();
        case '{' -> tag(Type.PRINT_BEGIN, Type.PRINT_END, "}}");
        default -> {
          if (!raw()) {
            tag(Type.BLOCK_BEGIN, Type.BLOCK_END, "%}");
          }
        }
      }
    }
    tokens.add(new Token(Type.END, "", line));
  }

  private int nextTag() {
    for (int i = source.indexOf('{', at); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /** The text up to a tag, without the white space that the tag removes. */
  private String before(int tag, char kind, char sign) {
    int end = tag;
    if (sign == '-') {
      while (end > at && Characters.isSpace(source.charAt(end - 1))) {
        end--;
      }
    } else if (sign != '+' && kind != '{') {
      int begin = tag;
      while (begin > at && source.charAt(begin - 1) != '\n') {
        begin--;
      }
      if (begin > at || lineStart) {
        int i = begin;
        while (i < tag && Characters.isSpace(source.charAt(i))) {
          i++;
        }
        end = i == tag ? begin : end;
      }
    }
    var kept = source.substring(at, end);
    count(end, tag);
    return kept;
  }

  private void text(String text) {
    if (!text.isEmpty()) {
      tokens.add(new Token(Type.TEXT, text, line));
      count(at, at + text.length());
    }
  }

  private void count(int from, int to) {
    for (int i = from; i < to; i++) {
      line += source.charAt(i) == '\n' ? 1 : 0;
    }
  }

  private void comment() {
    int end = source.indexOf("#}", at);
    if (end < 0) {
      throw new SyntaxFailure("a comment '{#' without '#}'", line);
    }
    count(at, end);
    boolean signed = end > at && (source.charAt(end - 1) == '-' || source.charAt(end - 1) == '+');
    close(end + 2, signed ? source.charAt(end - 1) : ' ', /* trims= */ true);
  }

  /** Goes on after a tag that ends at {@code end}. */
  private void close(int end, char sign, boolean trims) {
    int from = end;
    if (sign == '-') {
      while (end < source.length() && Characters.isSpace(source.charAt(end))) {
        end++;
      }
    } else if (sign != '+' && trims && end < source.length() && source.charAt(end) == '\n') {
      end++;
    }
    count(from, end);
    lineStart = source.charAt(end - 1) == '\n';
    at = end;
  }

  /** A {@code raw} block, whose contents are text. */
  private boolean raw() {
    int i = word("raw", at);
    if (i < 0) {
      return false;
    }
    boolean minus = source.startsWith("-", i);
    if (!source.startsWith("%}", minus ? i + 1 : i)) {
      return false;
    }
    count(at, i);
    close(i + (minus ? 3 : 2), minus ? '-' : '+', /* trims= */ false);
    for (int tag = source.indexOf("{%", at); tag >= 0; tag = source.indexOf("{%", tag + 1)) {
      char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
      boolean signed = sign == '-' || sign == '+';
      int end = word("endraw", tag + (signed ? 3 : 2));
      if (end < 0) {
        continue;
      }
      char closing = end < source.length() ? source.charAt(end) : ' ';
      boolean closingSign = closing == '-' || closing == '+';
      if (!source.startsWith("%}", closingSign ? end + 1 : end)) {
        continue;
      }
      text(before(tag, '%', signed ? sign : ' '));
      count(tag, end);
      close(end + (closingSign ? 3 : 2), closingSign ? closing : ' ', /* trims= */ true);
      return true;
    }
    throw new SyntaxFailure("'raw' without 'endraw'", line);
  }

  /** Where the word ends, with the white space around it, or -1. */
  private int word(String word, int from) {
    int i = skipSpace(from);
    return source.startsWith(word, i) ? skipSpace(i + word.length()) : -1;
  }

  private int skipSpace(int i) {
    while (i < source.length() && Characters.isSpace(source.charAt(i))) {
      i++;
    }
    return i;
  }

  private void tag(Type begin, Type end, String close) {
    int opened = line;
    tokens.add(new Token(begin, "", line));
    int brackets = 0;
    while (true) {
      int next = skipSpace(at);
      count(at, next);
      at = next;
      if (at >= source.length()) {
        throw new SyntaxFailure("a tag without '" + close + "'", opened);
      }
      char c = source.charAt(at);
      if (brackets == 0) {
        boolean signed = c == '-' || c == '+' && end == Type.BLOCK_END;
        if (source.startsWith(close, signed ? at + 1 : at)) {
          tokens.add(new Token(end, "", line));
          close(at + (signed ? 3 : 2), signed ? c : ' ', /* trims= */ end == Type.BLOCK_END);
          return;
        }
      }
      if (c == '\'' || c == '"') {
        string(c);
      } else if (c >= '0' && c <= '9') {
        number();
      } else if (Character.isUnicodeIdentifierStart(c) || c == '_') {
        name();
      } else {
        var operator = operator();
        tokens.add(new Token(Type.OPERATOR, operator, line));
        at += operator.length();
        brackets += "([{".contains(operator) ? 1 : ")]}".contains(operator) ? -1 : 0;
        if (brackets < 0) {
          throw new SyntaxFailure("unexpected '" + operator + "'", line);
        }
      }
    }
  }

  private String operator() {
    for (var operator : OPERATORS) {
      if (source.startsWith(operator, at)) {
        return operator;
      }
    }
    throw new SyntaxFailure("unexpected character '" + source.charAt(at) + "'", line);
  }

  private void name() {
    int end = at + 1;
    while (end < source.length()
        && (Character.isUnicodeIdentifierPart(source.charAt(end)) || source.charAt(end) == '_')) {
      end++;
    }
    tokens.add(new Token(Type.NAME, source.substring(at, end), line));
    at = end;
  }

  private void number() {
    int end = digits(at);
    boolean real = false;
    if (end + 1 < source.length() && source.charAt(end) == '.' && isDigit(end + 1)) {
      real = true;
      end = digits(end + 1);
    }
    if (end < source.length() && (source.charAt(end) == 'e' || source.charAt(end) == 'E')) {
      boolean signed = end + 1 < source.length() && "+-".indexOf(source.charAt(end + 1)) >= 0;
      int exponent = end + (signed ? 2 : 1);
      if (isDigit(exponent)) {
        real = true;
        end = digits(exponent);
      }
    }
    var text = source.substring(at, end).replace("_", "");
    tokens.add(new Token(real ? Type.FLOAT : Type.INTEGER, text, line));
    at = end;
  }

  private int digits(int i) {
    while (isDigit(i) || i < source.length() && source.charAt(i) == '_' && isDigit(i + 1)) {
      i++;
    }
    return i;
  }

  private boolean isDigit(int i) {
    return i < source.length() && source.charAt(i) >= '0' && source.charAt(i) <= '9';
  }

  private void string(char quote) {
    int begin = line;
    var text = new StringBuilder();
    int i = at + 1;
    while (true) {
      if (i >= source.length()) {
        throw new SyntaxFailure("a string without its end", begin);
      }
      char c = source.charAt(i++);
      if (c == quote) {
        break;
      }
      line += c == '\n' ? 1 : 0;
      if (c == '\\' && i < source.length()) {
        i = escape(i, text);
      } else {
        text.append(c);
      }
    }
    tokens.add(new Token(Type.STRING, text.toString(), begin));
    at = i;
  }

  /** Python's escapes; one that it does not know stays as it is. */
  private int escape(int i, StringBuilder text) {
    char c = source.charAt(i);
    switch (c) {
      case '\n' -> line++;
      case '\\', '\'', '"' -> text.append(c);
      case 'n' -> text.append('\n');
      case 't' -> text.append('\t');
      case 'r' -> text.append('\r');
      case 'a' -> text.append('\u0007');
      case 'b' -> text.append('\b');
      case 'f' -> text.append('\f');
      case 'v' -> text.append('\u000b');
      case 'x' -> {
        return code(i + 1, 2, text);
      }
      case 'u' -> {
        return code(i + 1, 4, text);
      }
      case 'U' -> {
        return code(i + 1, 8, text);
      }
      default -> {
        int digits = 0;
        while (digits < 3 && i + digits < source.length() && octal(i + digits)) {
          digits++;
        }
        if (digits == 0) {
          text.append('\\').append(c);
        } else {
          text.append((char) Integer.parseInt(source.substring(i, i + digits), 8));
          return i + digits;
        }
      }
    }
    return i + 1;
  }

  private boolean octal(int i) {
    return source.charAt(i) >= '0' && source.charAt(i) <= '7';
  }

  private int code(int from, int digits, StringBuilder text) {
    try {
      text.appendCodePoint(Integer.parseUnsignedInt(source, from, from + digits, 16));
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw new SyntaxFailure("an escape of a character needs " + digits + " digits", line);
    }
    return from + digits;
  }
}
