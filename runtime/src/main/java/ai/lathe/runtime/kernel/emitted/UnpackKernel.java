package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.layout.Layout;

/**
 * Writes the function that takes a stripe apart, {@code f(weights, panel, units, sides, codes)};
 * {@code panel} is the first byte of the stripe's place in a {@link Panel}. It returns the address
 * behind the last unit, or behind its codes where zeros are left out; then {@code weights} are
 * masks, and sides and codes have addresses of their own.
 */
final class UnpackKernel {

  private static final Register WEIGHTS = RDI;
  private static final Register PANEL = RSI;
  private static final Register UNITS = RDX;

  private static final Register SIDES = RCX;
  private static final Register CODES = R8;

  private UnpackKernel() {}

  static byte[] write(Layout layout, boolean masked) {
    var a = new Assembler();
    var reader = StripeReader.of(a, layout, masked, WEIGHTS, 0);
    var panel = Panel.of(Tile.of(layout, 1));
    int parts = layout.unit() / Layout.COLUMNS;
    reader.enter();
    reader.places(SIDES, CODES);
    reader.constants();
    var unit = new Label();
    a.bind(unit);
    reader.unit();
    for (int part = 0; part < parts; part++) {
      int at = part * panel.bytes();
      for (int quad = 0; quad < Tile.QUADS; quad++) {
        a.store(PANEL.at(at + panel.codesAt(quad)), reader.codes(part, quad));
      }
      for (int group = 0; group < panel.groups(); group++) {
        reader.scales(part, group);
        a.store(PANEL.at(at + panel.scalesAt(group)), reader.scale());
        if (panel.minima()) {
          a.store(PANEL.at(at + panel.minimaAt(group)), reader.minimum());
        }
      }
    }
    reader.next();
    a.add(PANEL, parts * panel.bytes());
    a.subtract(UNITS, 1);
    a.jump(Condition.NOT_ZERO, unit);
    a.move(RAX, reader.end());
    reader.leave();
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
