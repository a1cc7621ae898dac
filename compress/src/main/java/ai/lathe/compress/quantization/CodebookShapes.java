package ai.lathe.compress.quantization;

import ai.lathe.tensor.Activations;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.Encoding.Codebooks;
import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Which codebooks a layer gets. They are stored once a layer, so what is right for a large one
 * would weigh more than all the codes of a small one. The integer scheme that is asked for says
 * what the layer may take up: its bits are the bits of the codes, and codebooks must do with what
 * its scales would take. AQLM's scales, one a row, come on top: 16 bits by the number of inputs. Of
 * the shapes that fit, the one with the largest codebooks wins: on layers of the MiniLM encoder and
 * stories260K these had the least error. Where none fits it is the smallest there is.
 */
final class CodebookShapes {

  /** Longest vector, after which beams and codebooks get expensive for little: AQLM's own 8. */
  private static final int LONGEST = 8;

  /** Bits of a code where all entries are tried for every one of a beam's hypotheses. */
  private static final int WIDEST_OF_SEVERAL = 10;

  private static final int WIDEST = 16;
  private static final int MOST_CODEBOOKS = 4;

  private CodebookShapes() {}

  /**
   * The scheme that sets a layer's size; throws {@link LatheException} where it is not one of
   * integers alone.
   */
  static Encoding.Grouped budget(Grid grid, String method) {
    if (grid.encoding() instanceof Encoding.Grouped grouped
        && grouped.scheme().activations() instanceof Activations.None) {
      return grouped;
    }
    throw new LatheException(
        "%s stores codebooks, whose size it takes from a scheme of integer weights alone, for example W2A16; %s is not one"
            .formatted(method, grid.encoding().label()));
  }

  /**
   * VPTQ's: {@code v} outputs of one input share a code; one codebook, or a second one for what the
   * first leaves.
   */
  static Codebooks vptq(Encoding.Grouped budget, int rows, int columns) {
    int bits = budget.scheme().bits();
    var candidates = new ArrayList<Codebooks>();
    for (int v = 1; v <= Math.min(LONGEST, rows); v++) {
      int all = bits * v;
      if (all <= WIDEST) {
        candidates.add(new Codebooks(v, 1, List.of(all), false));
      }
      // Halves, and two thirds for the first as in the paper's 3 bits.
      for (int second : new int[] {all / 2, all / 3}) {
        int first = all - second;
        boolean even = second > 0 && (first == second || first == 2 * second);
        if (even && first <= WIDEST_OF_SEVERAL) {
          candidates.add(new Codebooks(v, 1, List.of(first, second), false));
        }
      }
    }
    return largest(candidates, budget, rows, columns);
  }

  /** AQLM's: {@code g} inputs of one output share {@code M} codes of {@code B} bits. */
  static Codebooks aqlm(Encoding.Grouped budget, int rows, int columns) {
    int bits = budget.scheme().bits();
    var candidates = new ArrayList<Codebooks>();
    for (int g = 1; g <= LONGEST; g++) {
      for (int count = 1; columns % g == 0 && count <= MOST_CODEBOOKS; count++) {
        int width = bits * g / count;
        if (width * count == bits * g
            && width >= 1
            && width <= (count == 1 ? WIDEST : WIDEST_OF_SEVERAL)) {
          candidates.add(new Codebooks(1, g, java.util.Collections.nCopies(count, width), true));
        }
      }
    }
    return largest(candidates, budget, rows, columns);
  }

  private static Codebooks largest(
      List<Codebooks> candidates, Encoding.Grouped budget, int rows, int columns) {
    long bytes = budget.bytes(rows, columns);
    return candidates.stream()
        .filter(shape -> shape.bytes(rows, columns) - shape.scaleBytes(rows) <= bytes)
        .max(
            Comparator.comparingLong(Codebooks::codebookBytes)
                .thenComparing(shape -> -shape.bits().size()))
        .orElseGet(candidates::getFirst);
  }

  /** A shape that was asked for; throws {@link LatheException} where it does not suit the layer. */
  static Codebooks require(Codebooks shape, int rows, int columns) {
    long data = shape.bytes(rows, columns) - shape.codebookBytes();
    if (shape.codebookBytes() > data) {
      throw new LatheException(
          "%s has codebooks of %d bytes, more than the %d of everything else in a %d x %d layer: leave the shape out to have one chosen that fits each layer"
              .formatted(shape.label(), shape.codebookBytes(), data, rows, columns));
    }
    return shape;
  }
}
