package ai.lathe.compress.factorization;

import ai.lathe.tensor.Encoding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How the indices of a matrix are grouped for a matrix product operator: outputs {@code (o_1, ...,
 * o_n)} and inputs {@code (i_1, ..., i_n)}, the last one fastest. Core {@code k} is {@code
 * [chi_{k-1} o_k, i_k chi_k]}, with {@code chi_0 = chi_n = 1}; as a factor of the product it acts
 * between the inputs before it, which are still there, and the outputs behind it, which are already
 * made.
 *
 * @param out {@code [n]}
 * @param in {@code [n]}
 */
record Cores(List<Integer> out, List<Integer> in) {

  Cores {
    out = List.copyOf(out);
    in = List.copyOf(in);
  }

  /** As even as the divisors allow. */
  static Cores even(int rows, int columns, int count) {
    return new Cores(split(rows, count), split(columns, count));
  }

  /** Factors of {@code whole}, each the divisor nearest to an even share of what is left. */
  private static List<Integer> split(int whole, int count) {
    var factors = new ArrayList<Integer>();
    int left = whole;
    for (int k = count; k > 1; k--) {
      double even = Math.log(left) / k;
      int nearest = 1;
      for (int d = 2; d <= left; d++) {
        if (left % d == 0
            && Math.abs(Math.log(d) - even) < Math.abs(Math.log(nearest) - even) - 1e-12) {
          nearest = d;
        }
      }
      factors.add(nearest);
      left /= nearest;
    }
    factors.add(left);
    return factors;
  }

  int count() {
    return out.size();
  }

  /** {@code o_k i_k}. */
  private long site(int k) {
    return (long) out.get(k) * in.get(k);
  }

  /** {@code chi_1 .. chi_{n-1}}: the given one, or less where a matrix has no more. */
  int[] bonds(int most) {
    int n = count();
    var bonds = new int[n - 1];
    for (int k = 0; k < n - 1; k++) {
      long before = 1;
      long behind = 1;
      for (int i = 0; i < n; i++) {
        if (i <= k) {
          before *= site(i);
        } else {
          behind *= site(i);
        }
      }
      bonds[k] = (int) Math.min(most, Math.min(before, behind));
    }
    // Truncation goes from the left: what is not kept there cannot come back.
    for (int k = 1; k < n - 1; k++) {
      bonds[k] = (int) Math.min(bonds[k], bonds[k - 1] * site(k));
    }
    return bonds;
  }

  /** Numbers that all cores have. */
  long parameters(int bond) {
    var bonds = bonds(bond);
    long parameters = 0;
    for (int k = 0; k < count(); k++) {
      parameters += left(bonds, k) * site(k) * right(bonds, k);
    }
    return parameters;
  }

  /** The greatest bond dimension with no more parameters; may be 0. */
  int bond(long parameters) {
    int bond = 0;
    int most = Arrays.stream(bonds(Integer.MAX_VALUE)).max().orElse(1);
    while (bond < most && parameters(bond + 1) <= parameters) {
      bond++;
    }
    return bond;
  }

  static int left(int[] bonds, int k) {
    return k == 0 ? 1 : bonds[k - 1];
  }

  static int right(int[] bonds, int k) {
    return k == bonds.length ? 1 : bonds[k];
  }

  /** Size of the inputs before core {@code k}. */
  int outer(int k) {
    return product(in.subList(0, k));
  }

  /** Size of the outputs behind core {@code k}. */
  int inner(int k) {
    return product(out.subList(k + 1, count()));
  }

  private static int product(List<Integer> sizes) {
    return sizes.stream().reduce(1, Math::multiplyExact);
  }

  /** How each core is stored. */
  List<Encoding> encodings(Factors factors, int[] bonds) {
    var encodings = new ArrayList<Encoding>();
    for (int k = 0; k < count(); k++) {
      var rows = factors.ofBlocks(in.get(k) * right(bonds, k));
      encodings.add(new Encoding.Mode(outer(k), inner(k), false, false, rows));
    }
    return encodings;
  }

  /**
   * Columns of each core but the last are a multiple of bonds: the greatest for all that is 2^n.
   */
  int perBond() {
    return in.subList(0, count() - 1).stream().mapToInt(Integer::lowestOneBit).min().orElseThrow();
  }

  /** Rows of each core but the first, as factors of the product. */
  List<Integer> heights(int[] bonds) {
    return IntStream.range(1, count()).mapToObj(k -> Math.toIntExact(between(bonds, k))).toList();
  }

  /** The greatest number of values between two cores. */
  long widest(int[] bonds) {
    return IntStream.range(1, count()).mapToLong(k -> between(bonds, k)).max().orElse(0);
  }

  private long between(int[] bonds, int k) {
    return (long) outer(k) * left(bonds, k) * out.get(k) * inner(k);
  }
}
