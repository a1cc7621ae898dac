package ai.lathe.compress.allocation;

import ai.lathe.model.Address;
import java.util.List;

/**
 * What is given one level: a layer, or several that must have the same one, as those that engines
 * run as one product. Bytes and losses of its options are sums over its members.
 *
 * @param name of its first member as in Hugging Face's layout
 * @param block that its members stand in
 * @param weights of all members
 * @param options in ascending order of bytes, at least one; the last is the original
 */
public record Unit(
    String name, int block, List<Address> members, long weights, List<Option> options) {

  public Unit {
    members = List.copyOf(members);
    options = List.copyOf(options);
  }
}
