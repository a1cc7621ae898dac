package ai.lathe.model.architecture;

/**
 * An input that linear layers of a block share: calibration collects its statistics once for all of
 * them. Each expert has its own, for it reads its own tokens.
 *
 * @param role whose output is read, as {@link Parameter#reads} says
 * @param expert whose layers read it, or {@link #NO_EXPERT}
 */
public record Site(Role role, int expert) {

  /** In place of an expert's index: what every token passes through. */
  public static final int NO_EXPERT = -1;

  public static Site of(Role role) {
    return new Site(role, NO_EXPERT);
  }
}
