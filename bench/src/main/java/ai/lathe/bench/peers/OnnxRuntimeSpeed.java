package ai.lathe.bench.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.LongBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Texts per second of an encoder in ONNX Runtime: hidden states alone, without pooling.
 *
 * <pre>OnnxRuntimeSpeed MODEL.onnx BATCH TOKENS THREADS</pre>
 */
public final class OnnxRuntimeSpeed {

  private OnnxRuntimeSpeed() {}

  public static void main(String[] arguments) throws OrtException {
    int batch = Integer.parseInt(arguments[1]);
    int tokens = Integer.parseInt(arguments[2]);
    try (var environment = OrtEnvironment.getEnvironment();
        var options = options(Integer.parseInt(arguments[3]));
        var session = environment.createSession(arguments[0], options)) {
      var inputs = inputs(environment, session, batch, tokens);
      var rates =
          Samples.perSecond(
              batch,
              () -> {
                try (var _ = session.run(inputs)) {
                  return;
                } catch (OrtException e) {
                  throw new IllegalStateException(e);
                }
              });
      Samples.print(Map.of("texts", rates));
      inputs.values().forEach(OnnxTensor::close);
    }
  }

  private static OrtSession.SessionOptions options(int threads) throws OrtException {
    var options = new OrtSession.SessionOptions();
    options.setIntraOpNumThreads(threads);
    options.setInterOpNumThreads(1);
    options.setExecutionMode(OrtSession.SessionOptions.ExecutionMode.SEQUENTIAL);
    options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
    return options;
  }

  private static Map<String, OnnxTensor> inputs(
      OrtEnvironment environment, OrtSession session, int batch, int tokens) throws OrtException {
    var random = new SplittableRandom(1);
    var shape = new long[] {batch, tokens};
    var inputs = new LinkedHashMap<String, OnnxTensor>();
    for (var name : session.getInputNames()) {
      var values = new long[batch * tokens];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (name) {
              case "input_ids" -> random.nextLong(1000, 20_000);
              case "attention_mask" -> 1;
              case "token_type_ids" -> 0;
              default -> throw new IllegalArgumentException("an encoder has no input " + name);
            };
      }
      inputs.put(name, OnnxTensor.createTensor(environment, LongBuffer.wrap(values), shape));
    }
    return inputs;
  }
}
