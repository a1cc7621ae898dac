package ai.lathe.compress.report.page;

/**
 * Where a layer stands, by its name: the first number in it is its block, what follows its role.
 *
 * @param block -1 outside blocks
 * @param role for example {@code self_attn.q_proj}
 */
record Place(int block, String role) {

  static Place of(String name) {
    var parts = name.split("\\.");
    for (int i = 0; i < parts.length - 1; i++) {
      if (parts[i].matches("[0-9]{1,6}")) {
        var role = String.join(".", java.util.List.of(parts).subList(i + 1, parts.length));
        return new Place(Integer.parseInt(parts[i]), role);
      }
    }
    return new Place(-1, name);
  }
}
