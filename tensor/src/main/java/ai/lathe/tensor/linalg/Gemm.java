package ai.lathe.tensor.linalg;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Products of matrix parts in float32: {@code C += A B} and {@code C -= A B}, with transposes by
 * {@link View#transposed}. Both factors are repacked into strips that the kernel reads from front
 * to back; tiles of {@code C} are shared out among threads. Each element is summed in one order,
 * whatever the number of threads.
 *
 * @see <a href="https://doi.org/10.1145/1356052.1356053">Goto and van de Geijn, 2008</a>
 */
public final class Gemm {

  /** Depth of a packed strip: one of A and one of B stay in the first two cache levels. */
  private static final int DEPTH = 256;

  /** Rows and columns of C that one task computes. */
  private static final int TASK_ROWS = 96;

  private static final int TASK_COLUMNS = 512;

  private static final Logger LOGGER = System.getLogger(Gemm.class.getName());

  static final GemmKernel KERNEL = chooseKernel();

  private Gemm() {}

  /** The kernel in use, for people, for example {@code vector, 512 bits, tiles of 6 x 32}. */
  public static String kernel() {
    return KERNEL.label();
  }

  /** Whether products run on the vector unit; where not, everything is several times slower. */
  public static boolean vectorized() {
    return !(KERNEL instanceof ScalarGemmKernel);
  }

  /** The vector kernel's class is only touched, hence loaded, where its module can be read. */
  private static GemmKernel chooseKernel() {
    var module = ModuleLayer.boot().findModule("jdk.incubator.vector");
    if (module.isPresent() && Gemm.class.getModule().canRead(module.get())) {
      return new VectorGemmKernel();
    }
    LOGGER.log(
        Level.WARNING,
        "matrix products run without the vector unit, several times slower:"
            + " start java with --add-modules jdk.incubator.vector");
    return new ScalarGemmKernel();
  }

  /** {@code C += A B}. */
  public static void add(View c, View a, View b) {
    multiply(KERNEL, 1, c, a, b, false);
  }

  /** {@code C -= A B}. */
  public static void subtract(View c, View a, View b) {
    multiply(KERNEL, -1, c, a, b, false);
  }

  /**
   * {@code C -= A B} where only the upper triangle of C, diagonal included, is wanted; what happens
   * below it is unspecified.
   */
  public static void subtractUpper(View c, View a, View b) {
    multiply(KERNEL, -1, c, a, b, true);
  }

  /** {@code y[yAt ..] += factor * x[xAt ..]}, {@code count} elements. */
  public static void axpy(int count, float factor, float[] x, int xAt, float[] y, int yAt) {
    KERNEL.axpy(count, factor, x, xAt, y, yAt);
  }

  static void multiply(GemmKernel kernel, float factor, View c, View a, View b, boolean upperOnly) {
    if (a.columns() != b.rows() || c.rows() != a.rows() || c.columns() != b.columns()) {
      throw new IllegalArgumentException(
          "%d x %d += %d x %d times %d x %d"
              .formatted(c.rows(), c.columns(), a.rows(), a.columns(), b.rows(), b.columns()));
    }
    if (c.columnStride() != 1) {
      throw new IllegalArgumentException("the result of a product cannot be a transposed view");
    }
    int depth = Math.min(DEPTH, a.columns());
    if (depth == 0 || c.rows() == 0 || c.columns() == 0) {
      return;
    }
    // One strip is `rows` rows of A, or `columns` columns of B, the last one padded with zeros.
    int rowStrips = Math.ceilDiv(c.rows(), kernel.rows());
    int columnStrips = Math.ceilDiv(c.columns(), kernel.columns());
    int rowsATask = TASK_ROWS / kernel.rows();
    int columnsATask = TASK_COLUMNS / kernel.columns();
    int rowTasks = Math.ceilDiv(rowStrips, rowsATask);
    int columnTasks = Math.ceilDiv(columnStrips, columnsATask);
    var packedA = new float[Math.multiplyExact(rowStrips * kernel.rows(), depth)];
    var packedB = new float[Math.multiplyExact(columnStrips * kernel.columns(), depth)];
    for (int from = 0; from < a.columns(); from += depth) {
      int k0 = from;
      int k1 = Math.min(from + depth, a.columns());
      Parallel.forEach(
          rowTasks + columnTasks,
          task -> {
            if (task < rowTasks) {
              int end = Math.min((task + 1) * rowsATask, rowStrips);
              for (int s = task * rowsATask; s < end; s++) {
                pack(a.transposed(), k0, k1, s, kernel.rows(), factor, packedA);
              }
            } else {
              int first = (task - rowTasks) * columnsATask;
              int end = Math.min(first + columnsATask, columnStrips);
              for (int s = first; s < end; s++) {
                pack(b, k0, k1, s, kernel.columns(), 1, packedB);
              }
            }
          });
      Parallel.forEach(
          rowTasks * columnTasks,
          task -> {
            int i0 = task / columnTasks * rowsATask;
            int i1 = Math.min(i0 + rowsATask, rowStrips);
            int j0 = task % columnTasks * columnsATask;
            int j1 = Math.min(j0 + columnsATask, columnStrips);
            var edge = new float[kernel.rows() * kernel.columns()];
            for (int j = j0; j < j1; j++) {
              for (int i = i0; i < i1; i++) {
                if (!upperOnly || (j + 1) * kernel.columns() > i * kernel.rows()) {
                  tile(kernel, k1 - k0, packedA, i, packedB, j, c, edge);
                }
              }
            }
          });
    }
  }

  /**
   * Strip {@code s} of rows {@code [k0, k1)} of a view: {@code width} consecutive columns, row
   * after row, padded with zeros at the matrix's edge.
   */
  private static void pack(
      View view, int k0, int k1, int s, int width, float factor, float[] target) {
    int column = s * width;
    int columns = Math.min(width, view.columns() - column);
    int depth = k1 - k0;
    int out = s * width * depth;
    var values = view.values();
    int base = view.offset() + k0 * view.rowStride() + column * view.columnStride();
    if (columns < width) {
      java.util.Arrays.fill(target, out, out + width * depth, 0);
    }
    if (view.columnStride() == 1) {
      for (int k = 0; k < depth; k++) {
        int in = base + k * view.rowStride();
        int to = out + k * width;
        for (int j = 0; j < columns; j++) {
          target[to + j] = factor * values[in + j];
        }
      }
    } else {
      for (int j = 0; j < columns; j++) {
        int in = base + j * view.columnStride();
        for (int k = 0; k < depth; k++) {
          target[out + k * width + j] = factor * values[in + k * view.rowStride()];
        }
      }
    }
  }

  private static void tile(
      GemmKernel kernel, int depth, float[] a, int i, float[] b, int j, View c, float[] edge) {
    int height = kernel.rows();
    int width = kernel.columns();
    int rows = Math.min(height, c.rows() - i * height);
    int columns = Math.min(width, c.columns() - j * width);
    int at = c.offset() + i * height * c.rowStride() + j * width;
    int aAt = i * height * depth;
    int bAt = j * width * depth;
    if (rows == height && columns == width) {
      kernel.multiply(depth, a, aAt, b, bAt, c.values(), at, c.rowStride());
      return;
    }
    java.util.Arrays.fill(edge, 0);
    kernel.multiply(depth, a, aAt, b, bAt, edge, 0, width);
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        c.values()[at + row * c.rowStride() + column] += edge[row * width + column];
      }
    }
  }
}
