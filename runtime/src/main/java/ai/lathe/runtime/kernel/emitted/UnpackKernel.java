package ai.lathe.runtime.kernel.emitted;

import static ai.lathe.runtime.kernel.emitted.Register.*;

import ai.lathe.runtime.kernel.emitted.Assembler.Condition;
import ai.lathe.runtime.kernel.emitted.Assembler.Label;
import ai.lathe.runtime.kernel.layout.Layout;

/**
 * Writes the function that takes a stripe apart, {@code f(weights, panel, units)}; {@code panel} is
 * the first byte of the stripe's place in a {@link Panel}.
 */
final class UnpackKernel {

  private static final Register WEIGHTS = RDI;
  private static final Register PANEL = RSI;
  private static final Register UNITS = RDX;

  private UnpackKernel() {}

  static byte[] write(Layout layout) {
    var a = new Assembler();
    var reader = new StripeReader(a, layout, WEIGHTS, 0);
    var panel = Panel.of(Tile.of(layout, 1));
    int parts = layout.unit() / Layout.COLUMNS;
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
    a.add(WEIGHTS, layout.unitBytes());
    a.add(PANEL, parts * panel.bytes());
    a.subtract(UNITS, 1);
    a.jump(Condition.NOT_ZERO, unit);
    a.vzeroupper();
    a.ret();
    return a.code();
  }
}
