package ai.lathe.compress.factorization;

import ai.lathe.format.safetensors.SafetensorsFile;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.Matrix;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A layer's place among those that share a dictionary.
 *
 * @param layers names of all, at least two, in order of their blocks; the first one stores it
 * @param index of this layer
 * @param file where the dictionary stands until the artifact is complete, float32 {@code [atoms,
 *     in]} under the name of the first layer; empty while it is not learned
 */
public record DictionaryGroup(List<String> layers, int index, Optional<Path> file) {

  public DictionaryGroup {
    layers = List.copyOf(layers);
    if (layers.size() < 2 || index < 0 || index >= layers.size()) {
      throw new LatheException(
          "layer %d of %d shares no dictionary".formatted(index, layers.size()));
    }
  }

  /** The module that stores the dictionary. */
  public String owner() {
    return layers.getFirst();
  }

  public boolean owns() {
    return index == 0;
  }

  DictionaryGroup in(Path learned) {
    return new DictionaryGroup(layers, index, Optional.of(learned));
  }

  Matrix dictionary() {
    var path =
        file.orElseThrow(
            () ->
                new LatheException(
                    "a dictionary of several layers is learned by lathe compress before layers are"
                        + " solved; here group is 1"));
    try (var stored = SafetensorsFile.open(path)) {
      var tensor = stored.tensor(owner());
      return new Matrix((int) tensor.size(0), (int) tensor.size(1), tensor.toFloats());
    }
  }

  /** Without the file: where it stands changes nothing. */
  @Override
  public String toString() {
    return "DictionaryGroup[layers=" + layers + ", index=" + index + "]";
  }
}
