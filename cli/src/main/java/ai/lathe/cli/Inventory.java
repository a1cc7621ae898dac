package ai.lathe.cli;

import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;

/**
 * What a model on disk is made of, read from headers alone.
 *
 * @param parameters numbers that the model is, whatever they are stored as
 * @param weightBytes of all tensors; names and headers excluded
 */
record Inventory(List<Entry> tensors, long parameters, long weightBytes) {

  /**
   * One tensor.
   *
   * @param name as the file calls it
   * @param role what it does
   * @param shape outermost dimension first
   * @param encoding how it is stored
   */
  record Entry(String name, String role, List<Long> shape, String encoding, long bytes) {

    long elements() {
      return shape.stream().reduce(1L, Math::multiplyExact);
    }
  }

  /** Tensors of one role that look the same. */
  record Group(String role, List<Long> shape, String encoding, int tensors, long bytes) {}

  static Inventory of(Checkpoint checkpoint) {
    var tensors = new ArrayList<Entry>();
    for (var address : checkpoint.addresses()) {
      tensors.add(entry(checkpoint, address));
    }
    return new Inventory(
        tensors,
        tensors.stream().mapToLong(Entry::elements).sum(),
        tensors.stream().mapToLong(Entry::bytes).sum());
  }

  private static Entry entry(Checkpoint checkpoint, Address address) {
    var role = words(address.role()) + (address.part() == Part.BIAS ? " bias" : "");
    var name = checkpoint.name(address);
    if (address.part() == Part.BIAS
        || checkpoint.architecture().parameter(address.role()).kind() == Kind.NORM) {
      var vector = checkpoint.vector(address).orElseThrow();
      return new Entry(
          name, role, List.of(vector.elements()), vector.dtype().name(), vector.data().byteSize());
    }
    var matrix = checkpoint.matrix(address);
    var encoding = matrix.encoding();
    return new Entry(
        name,
        role,
        List.of((long) matrix.rows(), (long) matrix.columns()),
        encoding.label(),
        encoding.bytes(matrix.rows(), matrix.columns()));
  }

  /** {@code ATTENTION_NORM} is {@code attention norm}. */
  private static String words(Role role) {
    return role.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** Bits of storage that a parameter takes on average, norms and embeddings included. */
  double bitsPerWeight() {
    return parameters == 0 ? 0 : 8.0 * weightBytes / parameters;
  }

  /** In order of first appearance. */
  List<Group> groups() {
    record Key(String role, List<Long> shape, String encoding) {}
    var groups = new LinkedHashMap<Key, List<Entry>>();
    for (var tensor : tensors) {
      groups
          .computeIfAbsent(
              new Key(tensor.role, tensor.shape, tensor.encoding), key -> new ArrayList<>())
          .add(tensor);
    }
    var result = new ArrayList<Group>();
    groups.forEach(
        (key, members) ->
            result.add(
                new Group(
                    key.role,
                    key.shape,
                    key.encoding,
                    members.size(),
                    members.stream().mapToLong(Entry::bytes).sum())));
    return result;
  }
}
