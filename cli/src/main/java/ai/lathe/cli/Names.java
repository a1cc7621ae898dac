package ai.lathe.cli;

import java.util.ArrayList;

/** What options take that the recipes know by name. */
final class Names {

  private Names() {}

  /** Of {@code --method}. */
  static final class Methods extends ArrayList<String> {
    Methods() {
      super(ai.lathe.compress.recipe.Methods.names());
    }
  }

  /** Of {@code --prune}. */
  static final class Pruners extends ArrayList<String> {
    Pruners() {
      super(ai.lathe.compress.recipe.Methods.pruning());
    }
  }

  /** Of {@code --factorize}. */
  static final class Factorizations extends ArrayList<String> {
    Factorizations() {
      super(ai.lathe.compress.recipe.Methods.factorizations());
    }
  }

  /** Of {@code --compensate}. */
  static final class Compensations extends ArrayList<String> {
    Compensations() {
      super(ai.lathe.compress.compensation.Compensation.Method.labels());
    }
  }

  /** Of {@code --scheme}. */
  static final class Schemes extends ArrayList<String> {
    Schemes() {
      super(ai.lathe.compress.recipe.Schemes.names());
    }
  }

  /** Of {@code --allocator}. */
  static final class Allocators extends ArrayList<String> {
    Allocators() {
      super(ai.lathe.compress.allocation.Allocators.names());
    }
  }
}
