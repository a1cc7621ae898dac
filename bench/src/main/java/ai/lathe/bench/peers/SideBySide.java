package ai.lathe.bench.peers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Lathe beside its peers on one machine in one run: every engine in a process of its own, one after
 * the other, round after round (A B C A B C), so that what disturbs the machine disturbs all alike.
 * Prints a Markdown table: medians, best quartiles and bests of all rounds.
 *
 * <pre>
 * SideBySide generate PROMPT GENERATE THREADS ROUNDS ENGINE...
 * SideBySide embed BATCH TOKENS THREADS ROUNDS ENGINE...
 * </pre>
 *
 * Engines that generate: {@code lathe:KERNELS=MODEL.gguf}, {@code llama=MODEL.gguf} (environment
 * variable {@code LLAMA_BENCH}, a native llama-bench, or {@code NODE_LLAMA_CPP}, the folder of the
 * npm package), {@code jlama:Q4=DIRECTORY}. Engines that embed: {@code lathe:KERNELS=MODEL}, {@code
 * onnxruntime=MODEL.onnx}.
 */
public final class SideBySide {

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * @param name as given, of which the part before the colon chooses the program
   * @param command prints figures by name as its last line, or llama-bench's JSON
   */
  private record Engine(String name, List<List<String>> commands) {}

  private SideBySide() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    if (arguments.length < 6) {
      throw new IllegalArgumentException(
          "usage: SideBySide generate PROMPT GENERATE THREADS ROUNDS ENGINE...");
    }
    var sizes = List.of(arguments).subList(1, 4);
    int rounds = Integer.parseInt(arguments[4]);
    var engines = new ArrayList<Engine>();
    for (var engine : List.of(arguments).subList(5, arguments.length)) {
      engines.add(engine(arguments[0], engine, sizes));
    }
    var measured = new LinkedHashMap<String, Map<String, List<double[]>>>();
    for (int round = 0; round < rounds; round++) {
      for (var engine : engines) {
        for (var command : engine.commands()) {
          System.err.printf("round %d of %d: %s%n", round + 1, rounds, engine.name());
          run(command)
              .forEach(
                  (metric, rates) ->
                      measured
                          .computeIfAbsent(metric, _ -> new LinkedHashMap<>())
                          .computeIfAbsent(engine.name(), _ -> new ArrayList<>())
                          .add(rates));
        }
      }
    }
    print(String.join(" ", List.of(arguments).subList(0, 5)), measured);
  }

  private static Engine engine(String task, String given, List<String> sizes) {
    int equals = given.indexOf('=');
    if (equals < 0) {
      throw new IllegalArgumentException("an engine is NAME=MODEL, not " + given);
    }
    var model = given.substring(equals + 1);
    var name = given.substring(0, equals).split(":", 2);
    var option = name.length == 2 ? List.of(name[1]) : List.<String>of();
    var commands =
        switch (task + " " + name[0]) {
          case "generate lathe" -> List.of(java(LatheSpeed.class, model, sizes, option));
          case "generate jlama" -> List.of(java(JlamaSpeed.class, model, sizes, option));
          case "generate llama" -> llama(model, sizes.get(0), sizes.get(1), sizes.get(2));
          case "embed lathe" -> List.of(java(LatheEmbedSpeed.class, model, sizes, option));
          case "embed onnxruntime" ->
              List.of(java(OnnxRuntimeSpeed.class, model, sizes, List.of()));
          default -> throw new IllegalArgumentException("no engine " + given + " to " + task);
        };
    return new Engine(given.substring(0, equals) + " " + Path.of(model).getFileName(), commands);
  }

  private static List<String> java(
      Class<?> program, String model, List<String> sizes, List<String> option) {
    var command = new ArrayList<String>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName(), model));
    command.addAll(sizes);
    command.addAll(option);
    return command;
  }

  /** Decoding starts after the prompt in all engines, so llama-bench gets it as the depth. */
  private static List<List<String>> llama(
      String model, String prompt, String generate, String threads) {
    var bench = System.getenv("LLAMA_BENCH");
    if (bench == null) {
      return List.of(List.of("node", "tools/llama_speed.mjs", model, prompt, generate, threads));
    }
    var both = List.of(bench, "-m", model, "-t", threads, "-ngl", "0", "-fa", "on", "-o", "json");
    return List.of(
        joined(both, "-p", prompt, "-n", "0"),
        joined(both, "-p", "0", "-n", generate, "-d", prompt));
  }

  private static List<String> joined(List<String> first, String... more) {
    var all = new ArrayList<>(first);
    all.addAll(List.of(more));
    return all;
  }

  private static Map<String, double[]> run(List<String> command)
      throws IOException, InterruptedException {
    var process = new ProcessBuilder(command).redirectError(Redirect.DISCARD).start();
    var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException("failed; run it alone to see why: " + String.join(" ", command));
    }
    var rates = new LinkedHashMap<String, double[]>();
    if (output.startsWith("[")) {
      for (var test : JSON.readTree(output)) {
        var metric = test.get("n_gen").asInt() > 0 ? "decode" : "prefill";
        rates.put(metric, doubles(test.get("samples_ts")));
      }
    } else {
      var last = output.lines().reduce("", (_, line) -> line);
      JSON.readTree(last).properties().forEach(e -> rates.put(e.getKey(), doubles(e.getValue())));
    }
    return rates;
  }

  private static double[] doubles(JsonNode array) {
    var values = new double[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asDouble();
    }
    return values;
  }

  private static void print(String title, Map<String, Map<String, List<double[]>>> measured)
      throws IOException {
    System.out.printf("%s on %s%n", title, machine());
    measured.forEach(
        (metric, engines) -> {
          System.out.printf("%n| %s a second | median | best quartile | best |%n", unit(metric));
          System.out.println("|---|---|---|---|");
          engines.forEach(
              (engine, rounds) -> {
                var samples = Samples.of(rounds);
                System.out.printf(
                    Locale.ROOT,
                    "| %s | %.1f | %.1f | %.1f |%n",
                    engine,
                    samples.median(),
                    samples.bestQuartile(),
                    samples.best());
              });
        });
  }

  private static String unit(String metric) {
    return metric.equals("texts") ? "texts" : metric + ", tokens";
  }

  private static String machine() throws IOException {
    var cpus = Path.of("/proc/cpuinfo");
    var name = System.getProperty("os.arch");
    if (Files.exists(cpus)) {
      try (var lines = Files.lines(cpus)) {
        name =
            lines
                .filter(line -> line.startsWith("model name"))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse(name);
      }
    }
    return "%s, %d cores, %s, Java %s"
        .formatted(
            name,
            Runtime.getRuntime().availableProcessors(),
            System.getProperty("os.name"),
            Runtime.version());
  }
}
