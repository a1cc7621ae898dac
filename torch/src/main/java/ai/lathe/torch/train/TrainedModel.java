package ai.lathe.torch.train;

import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.ModelConfig;
import ai.lathe.model.architecture.Architecture;
import ai.lathe.tensor.DType;
import ai.lathe.torch.Torch;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/** What training leaves: a checkpoint in Hugging Face's layout, bfloat16, and text excerpts. */
final class TrainedModel {

  private static final int CALIBRATION_CHARACTERS = 200_000;
  private static final int HELD_OUT_CHARACTERS = 100_000;

  private final Path directory;
  private final Architecture architecture;

  /** Writes everything but the weights; the directory exists. */
  TrainedModel(Path directory, Architecture architecture, ModelConfig config, Corpus corpus)
      throws IOException {
    this.directory = directory;
    this.architecture = architecture;
    var tokenizer =
        new ObjectMapper()
            .createObjectNode()
            .put("tokenizer_class", "PreTrainedTokenizerFast")
            .put("bos_token", BytePairTrainer.BEGIN)
            .put("eos_token", BytePairTrainer.END)
            .put("clean_up_tokenization_spaces", false)
            .put("model_max_length", config.context());
    put("config.json", config.huggingFace().toPrettyString());
    put("tokenizer_config.json", tokenizer.toPrettyString());
    put("calibration.txt", corpus.calibrationExcerpt(CALIBRATION_CHARACTERS));
    put("heldout.txt", corpus.heldOutExcerpt(HELD_OUT_CHARACTERS));
  }

  private void put(String name, String content) throws IOException {
    Files.writeString(directory.resolve(name), content);
  }

  /** Writes the weights, over those of an earlier step. */
  void write(Map<Address, Tensor> parameters) throws IOException {
    var infos = new ArrayList<TensorInfo>();
    parameters.forEach(
        (address, tensor) -> infos.add(new TensorInfo(name(address), DType.BF16, shape(tensor))));
    var part = Safetensors.SINGLE + ".part";
    var plan = SafetensorsPlan.single(part, infos, Map.of("format", "pt"));
    try (var writer = SafetensorsWriter.create(directory, plan);
        var arena = Arena.ofConfined()) {
      parameters.forEach(
          (address, tensor) -> {
            var values = ai.lathe.tensor.Tensor.ofFloats(Torch.floats(tensor), shape(tensor));
            writer.write(name(address), values.to(DType.BF16, arena));
          });
      writer.finish();
    }
    Files.move(
        directory.resolve(part),
        directory.resolve(Safetensors.SINGLE),
        StandardCopyOption.ATOMIC_MOVE,
        StandardCopyOption.REPLACE_EXISTING);
  }

  private String name(Address address) {
    var name = architecture.parameter(address.role()).huggingFace() + ".weight";
    return address.block() == Address.OUTSIDE
        ? name
        : architecture.blockNames().huggingFace().replace("{n}", "" + address.block()) + "." + name;
  }

  private static long[] shape(Tensor tensor) {
    var shape = new long[(int) tensor.dim()];
    for (int d = 0; d < shape.length; d++) {
      shape[d] = tensor.size(d);
    }
    return shape;
  }
}
