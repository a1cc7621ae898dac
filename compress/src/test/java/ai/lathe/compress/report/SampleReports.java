package ai.lathe.compress.report;

import ai.lathe.compress.allocation.Allocator;
import ai.lathe.compress.measure.Measurement;
import ai.lathe.compress.report.AllocationReport.Choice;
import ai.lathe.compress.report.AllocationReport.Option;
import ai.lathe.compress.report.AllocationReport.Point;
import ai.lathe.compress.report.AllocationReport.Probe;
import ai.lathe.compress.transform.Change;
import ai.lathe.eval.Divergence;
import ai.lathe.eval.Perplexity;
import ai.lathe.eval.PositionKl;
import ai.lathe.eval.Spread;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reports as runs write them, with numbers that can be told apart. */
public final class SampleReports {

  private static final List<String> ROLES =
      List.of(
          "self_attn.q_proj",
          "self_attn.k_proj",
          "self_attn.v_proj",
          "self_attn.o_proj",
          "mlp.gate_proj",
          "mlp.up_proj",
          "mlp.down_proj");

  private SampleReports() {}

  /** A decoder at one level, 2 blocks. */
  public static Report language() {
    return of("plain", language(0.0125, 0.985), layers(2), null);
  }

  /** An encoder: neither divergence nor positions. */
  public static Report encoder() {
    return of("encoder", new Measurement.Embedding(0.9975, 0.981, 32, 4096, null), layers(2), null);
  }

  /** A decoder of so many blocks whose levels were searched for. */
  public static Report mixture(int blocks) {
    var layers = layers(blocks);
    var choices = new ArrayList<Choice>();
    for (int i = 0; i < layers.size(); i++) {
      var layer = layers.get(i);
      var level = "W" + bits(i) + "A16";
      choices.add(
          new Choice(
              layer.name(),
              i / ROLES.size(),
              List.of(layer.name()),
              level,
              layer.encoding(),
              layer.bytes(),
              layer.rows() * (long) layer.columns(),
              List.of(
                  new Option(
                      level, layer.encoding(), layer.bytes(), 0, Map.of("kl", 0.001), null))));
    }
    var allocation =
        new AllocationReport(
            "evopress",
            "3.8 bits per weight",
            "KL",
            0.0125,
            null,
            9_500_000,
            9_490_000,
            choices,
            List.of(
                new Point("uniform W3A16", Point.Kind.UNIFORM, 8_000_000, 0.06, 0.93, 0.05),
                new Point("uniform W4A16", Point.Kind.UNIFORM, 11_000_000, 0.015, 0.97, 0.0125),
                new Point("3.9 bits", Point.Kind.TRIED, 10_250_000, 0.012, 0.98, null)),
            List.of(
                new Allocator.Step(0, 1, 0.05),
                new Allocator.Step(1, 33, 0.03),
                new Allocator.Step(2, 65, 0.0125)),
            "bits_per_weight",
            3.8,
            "levels",
            null,
            List.of(new Probe("held-out text", 9_000_000, 9_750_000, "kl", 0.02, 0.0125, false)));
    return of("mixture", language(0.0125, 0.985), layers, allocation);
  }

  public static Report mixture() {
    return mixture(3);
  }

  /** The same under another name, with names and words that are hostile to a page. */
  public static Report named(Report report, String artifact, String model, List<String> notes) {
    return new Report(
        report.version(),
        model,
        artifact,
        report.format(),
        report.settings(),
        report.fingerprint(),
        report.size(),
        report.quality(),
        report.transforms(),
        report.layers(),
        report.fallbacks(),
        notes,
        report.seconds(),
        report.peakMemoryBytes(),
        report.environment(),
        report.parts(),
        report.allocation(),
        report.widths());
  }

  private static Report of(
      String name, Measurement quality, List<LayerReport> layers, AllocationReport allocation) {
    return new Report(
        "0.1.0",
        "org/model-135M",
        "out/" + name,
        "safetensors (compressed-tensors pack-quantized)",
        Map.of("recipe", "gptq W4A16", "samples", 128, "seed", 0),
        Map.of("model", "114ceb46c2e3e3d69e251a335881975d"),
        new Report.Size(40_000_000, 10_000_000, 4, 20_000_000, 4, 3.8, 0.25),
        quality,
        List.of(new Change("smoothquant", "model.layers.0.norm", List.of("q"), Map.of("a", 0.5))),
        layers,
        List.of("model.layers.1.mlp.down_proj: rounded to nearest: singular"),
        List.of("measured on 64 sequences"),
        Map.of("compress", 17.8, "measure", 7.1),
        1_500_000_000,
        Map.of("java", "25", "cores", "2"),
        List.of(
            new SizePart("embeddings", 12_000_000, 6_000_000),
            new SizePart("feed-forward", 27_900_000, 3_900_000),
            new SizePart("headers, tokenizer, settings", 100_000, 100_000)),
        allocation,
        null);
  }

  private static Measurement language(double kl, double ear) {
    var spread =
        new Spread(kl, kl / 40, 0, kl / 90, kl / 60, kl / 30, kl / 2, kl * 2, kl * 3, kl * 9, 1, 2);
    return new Measurement.Language(
        17.25,
        16.5,
        8128,
        kl,
        ear,
        0.96,
        16.75,
        new Divergence.Result(
            new Perplexity.Result(17.25, 0.2, 16.5, 0.3, 8128, 64),
            new Perplexity.Result(16.75, 0.2, 16, 0.3, 8128, 64),
            spread,
            ear,
            0.001,
            0.96,
            0.002,
            List.of(
                new PositionKl(1, 1, 64, kl * 3, kl / 9),
                new PositionKl(2, 3, 128, kl * 2, kl / 18),
                new PositionKl(4, 7, 256, kl, kl / 36))));
  }

  private static int bits(int layer) {
    return 2 + layer * 5 % 4;
  }

  private static List<LayerReport> layers(int blocks) {
    var layers = new ArrayList<LayerReport>();
    for (int block = 0; block < blocks; block++) {
      for (var role : ROLES) {
        int bits = bits(layers.size());
        layers.add(
            new LayerReport(
                "model.layers." + block + "." + role,
                256,
                512,
                "int" + bits + " g128",
                (bits * 128 + 16) * 1024L / 8,
                bits + 0.125,
                block == 1 ? 0.5 : 0,
                Math.pow(10, -bits - (block + 1.0) / blocks),
                true,
                0.25,
                block == 1 && role.equals("mlp.down_proj")
                    ? List.of("rounded to nearest: singular")
                    : List.of()));
      }
    }
    return layers;
  }
}
