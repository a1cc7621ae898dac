package ai.lathe.compress;

import java.util.Optional;

/** Which Lathe this is. */
public final class Version {

  /** As the build wrote it into the jar; {@code development} where classes run without one. */
  public static final String CURRENT =
      Optional.ofNullable(Version.class.getPackage().getImplementationVersion())
          .orElse("development");

  private Version() {}
}
