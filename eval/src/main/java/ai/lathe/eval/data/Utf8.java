package ai.lathe.eval.data;

import ai.lathe.tensor.LatheException;
import java.io.FilterReader;
import java.io.IOException;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files in UTF-8, read strictly: bytes that are not UTF-8 are an error that says where. */
final class Utf8 {

  private Utf8() {}

  /** A reader whose only failures are {@link LatheException}s. */
  static Reader open(Path file) {
    try {
      return new FilterReader(Files.newBufferedReader(file)) {
        @Override
        public int read() {
          try {
            return in.read();
          } catch (IOException e) {
            throw unreadable(file, e);
          }
        }

        @Override
        public int read(char[] target, int offset, int count) {
          try {
            return in.read(target, offset, count);
          } catch (IOException e) {
            throw unreadable(file, e);
          }
        }

        @Override
        public void close() {
          Utf8.close(in, file);
        }
      };
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  static void close(Reader reader, Path file) {
    try {
      reader.close();
    } catch (IOException e) {
      throw unreadable(file, e);
    }
  }

  static LatheException unreadable(Path file, IOException cause) {
    var why =
        switch (cause) {
          case CharacterCodingException _ -> "it is not UTF-8" + firstInvalid(file);
          case AccessDeniedException _ -> "permission denied";
          default -> cause.getMessage();
        };
    return new LatheException(file + " cannot be read: " + why, cause);
  }

  /** The decoder does not say where it failed, so the file is decoded again up to there. */
  private static String firstInvalid(Path file) {
    try (var channel = FileChannel.open(file)) {
      var decoder = StandardCharsets.UTF_8.newDecoder();
      var bytes = ByteBuffer.allocate(1 << 16);
      var chars = CharBuffer.allocate(1 << 16);
      long before = 0;
      boolean ended = false;
      while (!ended) {
        ended = channel.read(bytes) < 0;
        bytes.flip();
        var result = decoder.decode(bytes, chars.clear(), ended);
        if (result.isError()) {
          return ": byte "
              + String.format("0x%02X", bytes.get(bytes.position()))
              + " at offset "
              + (before + bytes.position())
              + " begins no character";
        }
        before += bytes.position();
        bytes.compact();
      }
    } catch (IOException e) {
      return ""; // gone meanwhile; that it was not UTF-8 is said already
    }
    return "";
  }
}
