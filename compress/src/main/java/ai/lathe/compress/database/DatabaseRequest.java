package ai.lathe.compress.database;

import ai.lathe.compress.journal.Journal;
import ai.lathe.compress.plan.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a level database is to hold.
 *
 * @param directory of the database; one that is there already gets what it lacks
 * @param levels in order
 * @param target kind of artifacts that will be made of it
 * @param together whether layers that engines run as one product have one level
 * @param reference level at which the blocks before one are where it is calibrated; empty for the
 *     original
 * @param resume go on with a run that was interrupted
 * @param force begin anew, whatever is there
 */
public record DatabaseRequest(
    Path directory,
    List<LevelSpec> levels,
    Target target,
    boolean together,
    Optional<String> reference,
    boolean resume,
    boolean force) {

  public DatabaseRequest {
    levels = List.copyOf(levels);
  }

  /** With every default. */
  public static DatabaseRequest of(Path directory, List<LevelSpec> levels, Target target) {
    return new DatabaseRequest(directory, levels, target, true, Optional.empty(), false, false);
  }

  /** The same, going on with a run that was interrupted where it has left something. */
  public DatabaseRequest resumed() {
    boolean begun = Files.exists(Journal.fileFor(directory.resolve(Manifest.FILE)));
    return new DatabaseRequest(directory, levels, target, together, reference, begun, force);
  }
}
