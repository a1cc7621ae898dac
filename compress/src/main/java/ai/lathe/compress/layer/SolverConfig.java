package ai.lathe.compress.layer;

/**
 * Settings of one level of a {@link LayerSolver}. Implementations are records, so that they print,
 * compare and hash as what they are.
 */
public interface SolverConfig {}
