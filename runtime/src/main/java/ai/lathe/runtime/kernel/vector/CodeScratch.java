package ai.lathe.runtime.kernel.vector;

/** A thread's own memory while it multiplies packed codes; grows to what was needed most. */
final class CodeScratch {

  private static final ThreadLocal<CodeScratch> OWN = ThreadLocal.withInitial(CodeScratch::new);

  private float[] sums = {};
  private float[] scales = {};
  private float[] minima = {};
  private float[] panel = {};
  private float[] results = {};
  private int[] totals = {};

  private CodeScratch() {}

  static CodeScratch own() {
    return OWN.get();
  }

  float[] sums(int n) {
    return sums.length < n ? sums = new float[n] : sums;
  }

  float[] scales(int n) {
    return scales.length < n ? scales = new float[n] : scales;
  }

  float[] minima(int n) {
    return minima.length < n ? minima = new float[n] : minima;
  }

  float[] panel(int n) {
    return panel.length < n ? panel = new float[n] : panel;
  }

  float[] results(int n) {
    return results.length < n ? results = new float[n] : results;
  }

  int[] totals(int n) {
    return totals.length < n ? totals = new int[n] : totals;
  }
}
