package ai.lathe.compress.search;

import ai.lathe.compress.allocation.Allocation;
import ai.lathe.compress.allocation.LevelStore;
import ai.lathe.compress.allocation.LevelTable;
import ai.lathe.compress.allocation.Option;
import ai.lathe.compress.allocation.Unit;
import ai.lathe.compress.quantization.IntegerGrid;
import ai.lathe.compress.quantization.Rtn;
import ai.lathe.compress.quantization.ScaleSearch;
import ai.lathe.model.Address;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.CheckpointView;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.LinearWeight;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Every layer of a model, and its token embedding, rounded to nearest at some widths, in memory.
 */
final class RoundedLevels implements LevelStore {

  private final Checkpoint model;
  private final LevelTable table;
  private final Map<Address, Map<String, LinearWeight>> weights = new HashMap<>();
  int reads;

  RoundedLevels(Checkpoint model, int groupSize, int... widths) {
    this.model = model;
    var units = new ArrayList<Unit>();
    for (var address : model.addresses()) {
      boolean linear =
          !address.isVector(model.architecture())
              && model.architecture().parameter(address.role()).kind() == Kind.LINEAR;
      if (linear || address.role() == Role.TOKEN_EMBEDDING) {
        units.add(unit(address, groupSize, widths));
      }
    }
    table = new LevelTable(units);
  }

  private Unit unit(Address address, int groupSize, int[] widths) {
    var original = model.matrix(address);
    var levels = new HashMap<String, LinearWeight>();
    var options = new ArrayList<Option>();
    for (int bits : widths) {
      var scheme = new IntegerScheme(bits, groupSize, false, Activations.NONE);
      var grid =
          new IntegerGrid(scheme, ScaleSearch.MIN_MAX, DType.F16).forColumns(original.columns());
      var rounded = Rtn.round(original.decode(), grid);
      levels.put("W" + bits, rounded);
      options.add(option("W" + bits, rounded));
    }
    levels.put("dense", original);
    options.add(option("dense", original));
    weights.put(address, levels);
    return new Unit(
        model.name(address),
        address.block(),
        List.of(address),
        (long) original.rows() * original.columns(),
        options);
  }

  private static Option option(String level, LinearWeight weight) {
    var encoding = weight.encoding();
    return new Option(
        level, encoding.label(), encoding.bytes(weight.rows(), weight.columns()), 0, Map.of());
  }

  @Override
  public LevelTable table() {
    return table;
  }

  @Override
  public LinearWeight weight(Address address, String level) {
    reads++;
    return weights.get(address).get(level);
  }

  /** The model that an allocation describes. */
  Checkpoint mixture(Allocation allocation) {
    return new CheckpointView(model) {
      @Override
      public LinearWeight matrix(Address address) {
        boolean head = address.equals(Address.weight(Role.OUTPUT));
        var stored =
            head && config().tiedEmbeddings() ? Address.weight(Role.TOKEN_EMBEDDING) : address;
        for (int unit = 0; unit < table.units().size(); unit++) {
          if (table.units().get(unit).members().contains(stored)) {
            return weight(stored, allocation.option(table, unit).level());
          }
        }
        return source.matrix(address);
      }
    };
  }
}
