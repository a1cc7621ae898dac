package ai.lathe.bench;

import ai.lathe.compress.layer.Layer;
import ai.lathe.compress.layer.LayerStatistics;
import ai.lathe.eval.data.TextData;
import ai.lathe.eval.data.Windows;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.safetensors.Safetensors;
import ai.lathe.format.safetensors.SafetensorsPlan;
import ai.lathe.format.safetensors.SafetensorsWriter;
import ai.lathe.model.Address;
import ai.lathe.model.architecture.Role;
import ai.lathe.model.architecture.Site;
import ai.lathe.model.checkpoint.Checkpoints;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Matrix;
import ai.lathe.tensor.Progress;
import ai.lathe.tensor.Tensor;
import ai.lathe.torch.GramAccumulator;
import ai.lathe.torch.HiddenStates;
import ai.lathe.torch.Layerwise;
import ai.lathe.torch.Torch;
import ai.lathe.torch.TorchBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;

/**
 * Writes a layer and what goes into it on real text, {@code weight [out, in]} and {@code inputs
 * [tokens, in]}, as a safetensors file that other projects' code can be run on.
 *
 * <p>{@code LayerDump MODEL BLOCK ROLE TEXT SAMPLES SEQUENCE-LENGTH DIRECTORY}
 */
public final class LayerDump {

  private LayerDump() {}

  /** What was written, with the statistics of its inputs. */
  record Dumped(Layer layer, LayerStatistics statistics) {

    static Dumped read(String directory) {
      try (var file = Safetensors.open(Path.of(directory).resolve("model.safetensors"));
          var _ = new PointerScope()) {
        var stored = file.tensor("weight");
        int in = (int) stored.shape()[1];
        var weight = new Matrix((int) stored.shape()[0], in, stored.toFloats());
        var inputs = file.tensor("inputs").toFloats();
        try (var sum = new GramAccumulator(in)) {
          sum.add(Torch.ofFloats(inputs, 1, inputs.length / in, in), null);
          return new Dumped(
              new Layer(directory, weight), LayerStatistics.of(sum.tokens(), sum.gram()));
        }
      }
    }
  }

  public static void main(String[] arguments) throws IOException {
    int block = Integer.parseInt(arguments[1]);
    var role = Role.valueOf(arguments[2]);
    int samples = Integer.parseInt(arguments[4]);
    int length = Integer.parseInt(arguments[5]);
    try (var model = Checkpoints.open(arguments[0]);
        var _ = new NoGradGuard()) {
      var text = TextData.open(Path.of(arguments[3]), TextData.DEFAULT_FIELD);
      var tokens =
          Windows.calibration(text, model.tokenizer().orElseThrow(), samples, length, 0).tokens();
      var site = Site.of(model.architecture().parameter(role).reads());
      var rows = new ArrayList<float[]>();
      try (var states =
          new HiddenStates(tokens, model.config().hidden(), 2048, 1L << 30, Path.of("."))) {
        Layerwise.embed(model, states);
        try (var task = Progress.NONE.start("", 1)) {
          for (int before = 0; before < block; before++) {
            try (var run = TorchBlock.load(model, before)) {
              Layerwise.advance(run, states, task);
            }
          }
        }
        try (var run = TorchBlock.load(model, block)) {
          for (int batch = 0; batch < states.batches(); batch++) {
            try (var _ = new PointerScope()) {
              run.forward(
                  states.get(batch),
                  states.padding(batch),
                  (at, input, _) -> {
                    if (at.equals(site)) {
                      rows.add(Torch.floats(input));
                    }
                  });
            }
          }
        }
      }
      var weight = model.matrix(Address.weight(block, role)).decode();
      int count = rows.stream().mapToInt(values -> values.length).sum();
      var inputs = new float[count];
      int at = 0;
      for (var values : rows) {
        System.arraycopy(values, 0, inputs, at, values.length);
        at += values.length;
      }
      var tensors = new LinkedHashMap<String, Tensor>();
      tensors.put("weight", Tensor.ofFloats(weight.values(), weight.rows(), weight.columns()));
      long[] shape = {count / weight.columns(), weight.columns()};
      tensors.put("inputs", Tensor.ofFloats(inputs, shape));
      var infos =
          tensors.entrySet().stream()
              .map(e -> new TensorInfo(e.getKey(), DType.F32, e.getValue().shape()))
              .toList();
      var directory = Files.createDirectories(Path.of(arguments[6]));
      var plan = SafetensorsPlan.sharded(infos, Map.of(), SafetensorsPlan.SHARD_BYTES);
      try (var writer = SafetensorsWriter.create(directory, plan)) {
        tensors.forEach(writer::write);
        writer.finish();
      }
      System.out.printf(
          "%s: weight [%d, %d], inputs %s%n",
          directory, weight.rows(), weight.columns(), Arrays.toString(shape));
    }
  }
}
