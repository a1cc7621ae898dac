package ai.lathe.compress.quantization;

import ai.lathe.tensor.CodebookQuantized;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.linalg.Parallel;

/**
 * A weight of codebooks in the making. Matrices that it deals with are transposed, {@code [in,
 * out]}, with as many outputs as blocks reach over: what lies beyond the weight's own rows counts
 * as zeros to be quantized like the rest.
 */
final class BlockCodes {

  private static final int CHUNKS = 8;

  final Encoding.Codebooks encoding;
  final int rows;
  final int columns;

  /** Blocks down and across. */
  final int down;

  final int across;

  /** Outputs with padding. */
  final int out;

  /** {@code [across, down, M]}. */
  final int[] codes;

  /** For each codebook {@code [2^bits, outGroup, inGroup]}. */
  float[][] books;

  /** {@code [down]}; ones where the encoding has none. */
  float[] scales;

  BlockCodes(Encoding.Codebooks encoding, int rows, int columns) {
    this.encoding = encoding;
    this.rows = rows;
    this.columns = columns;
    down = encoding.blockRows(rows);
    across = encoding.blockColumns(columns);
    out = down * encoding.outGroup();
    codes = new int[down * across * encoding.bits().size()];
    books = new float[encoding.bits().size()][];
    for (int m = 0; m < books.length; m++) {
      books[m] = new float[encoding.blockSize() << encoding.bits().get(m)];
    }
    scales = new float[down];
    java.util.Arrays.fill(scales, 1);
  }

  BlockCodes copy() {
    var copy = new BlockCodes(encoding, rows, columns);
    System.arraycopy(codes, 0, copy.codes, 0, codes.length);
    for (int m = 0; m < books.length; m++) {
      copy.books[m] = books[m].clone();
    }
    copy.scales = scales.clone();
    return copy;
  }

  /** Takes over all codes of a row of blocks. */
  void takeRow(int row, BlockCodes from) {
    int count = books.length;
    for (int block = 0; block < across; block++) {
      int at = (block * down + row) * count;
      System.arraycopy(from.codes, at, codes, at, count);
    }
  }

  /** A number of a block without its scale, as {@code chosen [across, down, M]} has it. */
  float entry(int[] chosen, int block, int row, int within) {
    float sum = 0;
    int at = (block * down + row) * books.length;
    int size = encoding.blockSize();
    for (int m = 0; m < books.length; m++) {
      sum += books[m][chosen[at + m] * size + within];
    }
    return sum;
  }

  /** {@code W^T} with padding. */
  Matrix transposed(Matrix weight) {
    var transposed = Matrix.zeros(columns, out);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        transposed.values()[j * out + i] = weight.values()[i * columns + j];
      }
    }
    return transposed;
  }

  /** Decodes with these codebooks and scales into {@code target [in, out]}. */
  void decode(float[][] codebooks, float[] scale, Matrix target) {
    Parallel.forEach(across, block -> decode(block, codebooks, scale, target));
  }

  private void decode(int block, float[][] codebooks, float[] scale, Matrix target) {
    int tall = encoding.outGroup();
    int wide = encoding.inGroup();
    int count = codebooks.length;
    for (int i = 0; i < down; i++) {
      for (int a = 0; a < tall; a++) {
        for (int b = 0; b < wide; b++) {
          float sum = 0;
          for (int m = 0; m < count; m++) {
            int code = codes[(block * down + i) * count + m];
            sum += codebooks[m][code * tall * wide + a * wide + b];
          }
          target.values()[(block * wide + b) * out + i * tall + a] = scale[i] * sum;
        }
      }
    }
  }

  Matrix decode() {
    var decoded = Matrix.zeros(columns, out);
    decode(books, scales, decoded);
    return decoded;
  }

  /**
   * The adjoint of {@link #decode}: what {@code gradient [in, out]} of the decoded weight is to
   * each number of the codebooks. Summed in parts whose number is fixed, so threads do not matter.
   */
  double[][] gather(Matrix gradient) {
    int count = books.length;
    var parts = new double[CHUNKS][count][];
    Parallel.forEach(
        CHUNKS,
        chunk -> {
          for (int m = 0; m < count; m++) {
            parts[chunk][m] = new double[books[m].length];
          }
          int end = (int) ((long) (chunk + 1) * across / CHUNKS);
          for (int block = (int) ((long) chunk * across / CHUNKS); block < end; block++) {
            gather(block, gradient, parts[chunk]);
          }
        });
    for (int chunk = 1; chunk < CHUNKS; chunk++) {
      for (int m = 0; m < count; m++) {
        for (int k = 0; k < books[m].length; k++) {
          parts[0][m][k] += parts[chunk][m][k];
        }
      }
    }
    return parts[0];
  }

  private void gather(int block, Matrix gradient, double[][] sums) {
    int tall = encoding.outGroup();
    int wide = encoding.inGroup();
    for (int i = 0; i < down; i++) {
      for (int a = 0; a < tall; a++) {
        for (int b = 0; b < wide; b++) {
          double value = scales[i] * gradient.values()[(block * wide + b) * out + i * tall + a];
          for (int m = 0; m < sums.length; m++) {
            int code = codes[(block * down + i) * sums.length + m];
            sums[m][code * tall * wide + a * wide + b] += value;
          }
        }
      }
    }
  }

  /** Codebooks and scales as they will be stored. */
  void roundToHalf() {
    for (var book : books) {
      roundToHalf(book);
    }
    roundToHalf(scales);
  }

  private static void roundToHalf(float[] values) {
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
    }
  }

  /** The weight; codebooks and scales must have been rounded. */
  CodebookQuantized finish() {
    int count = books.length;
    var stored = new char[count][down * across];
    for (int block = 0; block < across; block++) {
      for (int i = 0; i < down; i++) {
        for (int m = 0; m < count; m++) {
          stored[m][i * across + block] = (char) codes[(block * down + i) * count + m];
        }
      }
    }
    return new CodebookQuantized(
        encoding, rows, columns, stored, books, encoding.scaled() ? scales : null);
  }
}
