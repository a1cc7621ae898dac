package ai.lathe.compress;

import ai.lathe.compress.dictionary.SharedDictionaries;
import ai.lathe.compress.factorization.module.Narrowing;
import ai.lathe.compress.journal.Leftovers;
import ai.lathe.compress.pruning.fisher.PrunedCheckpoint;
import ai.lathe.compress.removal.SharedRemoval;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * What comes before layers are compressed one by one: all are pruned together, blocks are made
 * narrower, layers are profiled, dictionaries are learned. What each finds stands beside the
 * artifact until the run is over, so that a run that was killed goes on behind it.
 */
final class Stages {

  private static final List<Function<Path, Path>> FILES =
      List.of(
          PrunedCheckpoint::fileFor,
          Narrowing::directoryFor,
          SharedRemoval::fileFor,
          SharedRemoval::fisherFor,
          SharedDictionaries::directoryFor);

  private Stages() {}

  /** Whether an unfinished run of this artifact has come to any of them. */
  static boolean begun(Path artifact) {
    return of(artifact).anyMatch(Files::exists);
  }

  /**
   * Whether a run goes on with this journal: where it was killed in an earlier stage there is none
   * yet.
   */
  static boolean resumes(CompressionRequest request, Path journal) {
    return request.resume() && (Files.isRegularFile(journal) || !begun(request.artifact()));
  }

  /** The run is over. */
  static void delete(Path artifact) {
    of(artifact).forEach(Leftovers::delete);
  }

  private static Stream<Path> of(Path artifact) {
    return FILES.stream().map(file -> file.apply(artifact));
  }
}
