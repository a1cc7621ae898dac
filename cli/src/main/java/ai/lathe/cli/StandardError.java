package ai.lathe.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;

/**
 * Standard error as the user has it. Java announces its incubating vector module there before the
 * first line of any program runs, and has no option against it; so the launcher starts Java with
 * standard error set aside under another descriptor, and this puts it back for Java and native
 * libraries alike. Unlike a filter on a pipe it keeps the process, its exit code and the terminal.
 */
final class StandardError {

  private static final int DESCRIPTOR = 2;

  private StandardError() {}

  /** Does nothing where the launcher set nothing aside. */
  static void restore() {
    Integer aside = Integer.getInteger("lathe.stderr");
    if (aside == null) {
      return;
    }
    var linker = Linker.nativeLinker();
    var integer = ValueLayout.JAVA_INT;
    try {
      var dup2 =
          linker.downcallHandle(
              linker.defaultLookup().findOrThrow("dup2"),
              FunctionDescriptor.of(integer, integer, integer));
      var close =
          linker.downcallHandle(
              linker.defaultLookup().findOrThrow("close"), FunctionDescriptor.of(integer, integer));
      int restored = (int) dup2.invokeExact((int) aside, DESCRIPTOR);
      if (restored == DESCRIPTOR) {
        int ignored = (int) close.invokeExact((int) aside);
      }
    } catch (Throwable e) {
      throw new IllegalStateException("cannot put standard error back", e);
    }
  }
}
