package ai.lathe.cli;

import ai.lathe.model.Address;
import ai.lathe.model.Address.Part;
import ai.lathe.model.Checkpoint;
import ai.lathe.model.architecture.Parameter.Kind;
import ai.lathe.model.architecture.Role;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Tensor;
import ai.lathe.tensor.Zeros;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What a model on disk is made of.
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
   * @param zeros how many of its weights are exactly zero; null where that is not known
   * @param pattern of the zeros, by the mask that says which they are; null where there is none
   */
  record Entry(
      String name,
      String role,
      List<Long> shape,
      String encoding,
      long bytes,
      Long zeros,
      String pattern) {

    long elements() {
      return shape.stream().reduce(1L, Math::multiplyExact);
    }
  }

  /**
   * Tensors of one role that are stored the same way.
   *
   * @param shape of all; of blocks that differ from the smallest to the largest of each dimension
   * @param elements of all together
   * @param zeros of all; null where that is not known
   */
  record Group(
      String role,
      String shape,
      String encoding,
      int tensors,
      long elements,
      long bytes,
      Long zeros) {

    /** From 0 to 1; NaN where it is not known. */
    double sparsity() {
      return zeros == null ? Double.NaN : (double) zeros / elements;
    }
  }

  /** Headers alone are read, and masks. */
  static Inventory of(Checkpoint checkpoint) {
    return of(checkpoint, false);
  }

  /**
   * Likewise.
   *
   * @param count zeros of all matrices are counted, for which they are read
   */
  static Inventory of(Checkpoint checkpoint, boolean count) {
    var tensors = new ArrayList<Entry>();
    for (var address : checkpoint.addresses()) {
      tensors.add(entry(checkpoint, address, count));
    }
    return new Inventory(
        tensors, parameters(checkpoint), tensors.stream().mapToLong(Entry::bytes).sum());
  }

  /** Which features a block has left is no number that was learned. */
  private static long parameters(Checkpoint checkpoint) {
    var architecture = checkpoint.architecture();
    return checkpoint.addresses().stream()
        .filter(address -> architecture.parameter(address.role()).kind() != Kind.INDICES)
        .mapToLong(address -> Tensor.elements(checkpoint.config().shape(architecture, address)))
        .sum();
  }

  private static Entry entry(Checkpoint checkpoint, Address address, boolean count) {
    var role = words(address.role()) + (address.part() == Part.BIAS ? " bias" : "");
    var name = checkpoint.name(address);
    if (address.isVector(checkpoint.architecture())) {
      var vector = checkpoint.vector(address).orElseThrow();
      return new Entry(
          name,
          role,
          Arrays.stream(vector.shape()).boxed().toList(),
          vector.dtype().name(),
          vector.data().byteSize(),
          null,
          null);
    }
    var matrix = checkpoint.matrix(address);
    var encoding = matrix.encoding();
    var masked = Zeros.masked(matrix);
    var zeros = masked.isEmpty() && count ? Optional.of(Zeros.counted(matrix)) : masked;
    var entry =
        new Entry(
            name,
            role,
            List.of((long) matrix.rows(), (long) matrix.columns()),
            encoding.label(),
            encoding.bytes(matrix.rows(), matrix.columns()),
            zeros.map(Zeros::count).orElse(null),
            masked.flatMap(Zeros::pattern).map(Pattern::label).orElse(null));
    if (count && address.block() != Address.OUTSIDE) {
      checkpoint.release(address.block());
    }
    return entry;
  }

  /** {@code ATTENTION_NORM} is {@code attention norm}. */
  private static String words(Role role) {
    return role.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** Bits of storage that a parameter takes on average, norms and embeddings included. */
  double bitsPerWeight() {
    return parameters == 0 ? 0 : 8.0 * weightBytes / parameters;
  }

  /** Zeros of the matrices of which they are known. */
  long zeros() {
    return tensors.stream().filter(t -> t.zeros != null).mapToLong(Entry::zeros).sum();
  }

  /** Those matrices' weights. */
  long weightsWithKnownZeros() {
    return tensors.stream().filter(t -> t.zeros != null).mapToLong(Entry::elements).sum();
  }

  /** In order of first appearance. */
  List<Group> groups() {
    record Key(String role, int dimensions, String encoding) {}
    var groups = new LinkedHashMap<Key, List<Entry>>();
    for (var tensor : tensors) {
      groups
          .computeIfAbsent(
              new Key(tensor.role, tensor.shape.size(), tensor.encoding), key -> new ArrayList<>())
          .add(tensor);
    }
    var result = new ArrayList<Group>();
    groups.forEach(
        (key, members) ->
            result.add(
                new Group(
                    key.role,
                    Sizes.shapes(members.stream().map(Entry::shape).toList()),
                    key.encoding,
                    members.size(),
                    members.stream().mapToLong(Entry::elements).sum(),
                    members.stream().mapToLong(Entry::bytes).sum(),
                    members.stream().anyMatch(member -> member.zeros == null)
                        ? null
                        : (Long) members.stream().mapToLong(Entry::zeros).sum())));
    return result;
  }
}
