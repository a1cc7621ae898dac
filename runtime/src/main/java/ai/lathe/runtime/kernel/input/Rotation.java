package ai.lathe.runtime.kernel.input;

import ai.lathe.tensor.WalshHadamard;

/**
 * {@code x := Hb x}.
 *
 * @param size features of a block of {@code Hb}
 */
record Rotation(int size) implements InputChange {

  @Override
  public String label() {
    return "rotated in blocks of " + size;
  }

  @Override
  public void apply(float[] x, int columns) {
    WalshHadamard.rotate(x, 0, columns, size);
  }
}
