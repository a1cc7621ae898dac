package ai.lathe.bench;

import ai.lathe.compress.compensation.Compensation.Method;
import ai.lathe.compress.pruning.Sparsity;
import ai.lathe.compress.recipe.Recipe;
import ai.lathe.tensor.Pattern;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What matrices of low rank give back on top of seven ways of compressing: bits of the compressed
 * matrices and the loss of the written artifact, with nothing, by the plain SVD, by EoRA.
 *
 * <p>{@code CompensationTable MODEL CALIBRATION-TEXT EVALUATION-TEXT SAMPLES SEQ-LEN GROUP RANK}
 */
public final class CompensationTable {

  private record Base(String label, Recipe recipe) {}

  private CompensationTable() {}

  public static void main(String[] arguments) throws IOException {
    var trial = Trial.of(arguments);
    int rank = Integer.parseInt(arguments[6]);
    System.out.printf("| base | bits | loss | + svd | + eora | bits, rank %d |%n", rank);
    System.out.println("|---|---|---|---|---|---|");
    for (var base : bases(Integer.parseInt(arguments[5]))) {
      var plain = trial.run(base.recipe());
      var row = new ArrayList<String>();
      row.add(base.label());
      row.add(format("%.2f", plain.size().quantizedBitsPerWeight()));
      row.add(format("%.4f", Trial.loss(plain)));
      double bits = 0;
      for (var method : List.of(Method.SVD, Method.EORA)) {
        var recipe = base.recipe().then(Recipe.compensation(method, rank, Optional.empty()));
        var compensated = trial.run(recipe);
        bits = compensated.size().quantizedBitsPerWeight();
        row.add(format("%.4f", Trial.loss(compensated)));
      }
      row.add(format("%.2f", bits));
      System.out.println("| " + String.join(" | ", row) + " |");
    }
  }

  private static List<Base> bases(int group) {
    var bases = new ArrayList<Base>();
    for (var scheme : List.of("W4A16", "W3A16", "W2A16")) {
      bases.add(new Base("rtn " + scheme, Recipe.preset("rtn", scheme, Optional.of(group))));
    }
    bases.add(new Base("gptq W3A16", Recipe.preset("gptq", "W3A16", Optional.of(group))));
    var half = new Sparsity(0.5, Pattern.UNSTRUCTURED);
    bases.add(new Base("magnitude 50 %", Recipe.pruning("magnitude", half, Map.of())));
    var pattern = Sparsity.of(Optional.empty(), Pattern.parse("2:4"));
    for (var method : List.of("wanda", "sparsegpt")) {
      bases.add(new Base(method + " 2:4", Recipe.pruning(method, pattern, Map.of())));
    }
    return bases;
  }

  private static String format(String pattern, double value) {
    return String.format(Locale.ROOT, pattern, value);
  }
}
