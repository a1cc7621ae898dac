package ai.lathe.runtime.kernel.emitted;

/** What kernels expect of weights' zeros. */
enum Zeros {
  /** They are there. */
  STORED(""),
  /** A mask says where they are. */
  MASKED(" without their zeros"),
  /** Blocks of 16 rows and 4 columns are left out; where tokens are many, they are there. */
  BLOCKS(" without blocks of zeros");

  /** For people, behind the layout's label. */
  final String label;

  Zeros(String label) {
    this.label = label;
  }
}
