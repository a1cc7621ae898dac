package ai.lathe.cli;

import static ai.lathe.cli.MainTest.assertMistake;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.lathe.model.EmbeddedModel;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** compress, eval and convert as scripts call them, on the model that comes with Lathe. */
class MainJobTest {

  private static final String LENGTH = "64";

  @TempDir static Path folder;

  private static EmbeddedModel embedded;
  private static Path heldOut;

  @BeforeAll
  static void takeAPart() throws IOException {
    embedded = EmbeddedModel.extract(folder.resolve("embedded"));
    heldOut = folder.resolve("heldout.txt");
    Files.writeString(heldOut, Files.readString(embedded.heldOut()).substring(0, 8000));
  }

  @Test
  void compressReportsWhatEvalMeasures() throws IOException {
    var out = folder.resolve("small");
    var compress = compress(out, "--group-size", "32", "--json");
    assertThat(compress.code()).as(compress.err()).isZero();
    var report = compress.json();
    assertThat(new JsonMapper().readTree(out.resolve("report.json").toFile())).isEqualTo(report);
    assertThat(report.at("/size/ratio").asDouble()).isBetween(2.5, 4.0);

    var eval =
        run("eval", out, "--data", heldOut, "--seq-len", LENGTH, "--reference", model(), "--json");
    assertThat(eval.code()).as(eval.err()).isZero();
    for (var measure :
        new String[] {"perplexity", "perplexity_llamacpp", "tokens", "kl", "ear", "top1"}) {
      assertThat(eval.json().get(measure).asDouble()).as(measure).isPositive();
    }
    assertThat(eval.json().get("kl").asDouble()).isBetween(1e-5, 0.1);
  }

  @Test
  void otherFormatsHoldTheSameWeights() {
    var gptq = folder.resolve("gptq");
    var first = compress(gptq, "--method", "rtn", "--group-size", "32", "--format", "gptq");
    assertThat(first.code()).as(first.err()).isZero();
    assertThat(gptq.resolve("quantize_config.json")).exists();
    var awq = folder.resolve("awq");
    var second = run("convert", gptq, "-o", awq, "--format", "awq", "--json");
    assertThat(second.code()).as(second.err()).isZero();
    assertThat(second.json().get("format").asText()).isEqualTo("safetensors (awq gemm)");
    assertThat(second.json().get("fallbacks")).isEmpty();
    var eval =
        run("eval", awq, "--data", heldOut, "--seq-len", LENGTH, "--reference", gptq, "--json");
    assertThat(eval.json().get("kl").asDouble()).isLessThan(1e-9);
    var again =
        run("compress", gptq, "-o", folder.resolve("again"), "--method", "rtn", "--seq-len", "32");
    assertThat(again.err()).contains("already quantized (int4 g32): it is decoded first");
    var three = compress(folder.resolve("never3"), "--scheme", "W3A16", "--format", "awq");
    assertMistake(three, "formats that can: compressed-tensors, gptq, gptq_v2");
    assertMistake(compress(folder.resolve("never3"), "--format", "gtpq"), "did you mean 'gptq'?");
  }

  @Test
  void blocksAreMadeNarrower() {
    var out = folder.resolve("narrow");
    var narrow = compress(out, "--factorize", "modegpt", "--remove", "0.2", "--json");
    assertThat(narrow.code()).as(narrow.err()).isZero();
    assertThat(narrow.json().at("/widths/removed").asDouble()).isBetween(0.2, 0.21);
    var eval =
        run("eval", out, "--data", heldOut, "--seq-len", LENGTH, "--reference", model(), "--json");
    assertThat(eval.json().get("kl").asDouble())
        .isCloseTo(narrow.json().at("/quality/kl").asDouble(), within(0.001));
    assertMistake(
        run("search", model(), "-o", folder.resolve("levels"), "--levels", "modegpt:0.2"),
        "modegpt narrows whole blocks");
    assertMistake(
        compress(folder.resolve("never"), "--factorize", "modgpt", "--remove", "0.2"),
        "did you mean 'modegpt'?");
  }

  @Test
  void aModelIsItselfToItsReference() {
    var eval =
        run(
            "eval",
            model(),
            "--data",
            heldOut,
            "--seq-len",
            LENGTH,
            "--reference",
            model(),
            "--json");
    assertThat(eval.json().get("kl").asDouble()).isLessThan(1e-9);
    assertThat(eval.json().get("ear").asDouble()).isGreaterThan(1 - 1e-6);
    assertThat(eval.json().get("top1").asDouble()).isEqualTo(1);
  }

  @Test
  void conversionThereAndBackKeepsEveryWeight() {
    var there = folder.resolve("there.gguf");
    var back = folder.resolve("back");
    var gguf = run("convert", model(), "-o", there, "--json");
    assertThat(gguf.code()).as(gguf.err()).isZero();
    assertThat(gguf.json().get("fallbacks")).isEmpty();
    assertThat(run("convert", there, "-o", back).code()).isZero();
    var eval =
        run("eval", back, "--data", heldOut, "--seq-len", LENGTH, "--reference", model(), "--json");
    assertThat(eval.json().get("kl").asDouble()).isLessThan(1e-9);
  }

  /** Both commands round alike, so the files are the same. */
  @Test
  void anImportanceMatrixServesCompressionAndConversion() throws IOException {
    var imatrix = folder.resolve("model.imatrix.gguf");
    var collected =
        run(
            "imatrix",
            model(),
            "--data",
            heldOut,
            "-o",
            imatrix,
            "--samples",
            "4",
            "--seq-len",
            LENGTH,
            "--json");
    assertThat(collected.code()).as(collected.err()).isZero();
    assertThat(collected.json().get("tensors").asInt()).isEqualTo(28);
    assertThat(collected.json().get("tokens").asInt()).isEqualTo(4 * 64);
    var compressed = Files.createDirectory(folder.resolve("compressed")).resolve("q3.gguf");
    var converted = Files.createDirectory(folder.resolve("converted")).resolve("q3.gguf");
    var plain = Files.createDirectory(folder.resolve("plain")).resolve("q3.gguf");
    assertSuccess(compress(compressed, "--gguf", "Q3_K", "--imatrix", imatrix.toString()));
    assertSuccess(run("convert", model(), "-o", converted, "--type", "Q3_K", "--imatrix", imatrix));
    assertSuccess(run("convert", model(), "-o", plain, "--type", "Q3_K"));
    assertThat(compressed).hasSameBinaryContentAs(converted);
    assertThat(Files.mismatch(plain, converted)).isNotEqualTo(-1);

    assertMistake(
        compress(folder.resolve("no.gguf"), "--method", "gptq", "--imatrix", imatrix.toString()),
        "nothing here uses an importance matrix");
    assertMistake(
        run("convert", model(), "-o", folder.resolve("no.gguf"), "--imatrix", imatrix),
        "choose one of them with --type");
    assertMistake(
        compress(folder.resolve("no.gguf"), "--gguf", "Q3_K", "--imatrix", heldOut.toString()),
        "not an importance matrix");
    assertMistake(run("imatrix", model(), "--data", heldOut, "-o", imatrix), "exists already");
  }

  private static void assertSuccess(Invocation invocation) {
    assertThat(invocation.code()).as(invocation.err()).isZero();
  }

  @Test
  void aSafetensorsFileHasItsConfigurationBeside() throws IOException {
    var out = Files.createDirectory(folder.resolve("single")).resolve("weights.safetensors");
    var convert = run("convert", model(), "-o", out, "--type", "F32");
    assertThat(convert.code()).as(convert.err()).isZero();
    assertThat(out.resolveSibling("config.json")).exists();
    assertThat(out.resolveSibling("weights.safetensors.files")).doesNotExist();
    for (var tensor : run("inspect", out, "--json").json().get("tensors")) {
      // Norms keep the type they have.
      assertThat(tensor.get("encoding").asText())
          .isEqualTo(tensor.get("shape").size() == 2 ? "F32" : "BF16");
    }
    assertMistake(run("convert", model(), "-o", out), "--force");
    assertMistake(
        run("convert", model(), "-o", out.resolveSibling("other.safetensors")), "config.json");
  }

  @Test
  void convertedBlocksHaveTheirSize() {
    var out = folder.resolve("q8.gguf");
    assertThat(run("convert", model(), "-o", out, "--type", "Q8_0").code()).isZero();
    var inspect = run("inspect", out, "--json").json();
    assertThat(inspect.get("bits_per_weight").asDouble()).isBetween(8.5, 8.6);
  }

  @Test
  void whatIsThereIsNotReplacedUnasked() throws IOException {
    var out = Files.createDirectory(folder.resolve("occupied"));
    var precious = Files.writeString(out.resolve("precious.txt"), "mine");
    assertMistake(compress(out), "--force");
    assertMistake(run("convert", model(), "-o", out), "--force");
    assertThat(precious).hasContent("mine");
  }

  @Test
  void anAllocatorBesideAFactorizationIsOneThatSpreadsRemovals() {
    var model = embedded.directory().toString();
    var out = folder.resolve("spread").toString();
    assertMistake(
        Invocation.of("compress", model, "-o", out, "--allocator", "knapsack"),
        "or, for --allocator alone, --factorize with --remove");
    assertMistake(
        factorize(out, "0.2", "--allocator", "greedy"),
        "unknown allocator of --factorize 'greedy'");
    assertMistake(
        factorize(out, "0.9", "--allocator", "knapsack", "--allocator-option", "measure=outputs"),
        "did you mean 'output'");
    assertMistake(factorize(out, "0.2", "--target-bpw", "4"), "have no place beside it");
    assertThat(Path.of(out)).doesNotExist();
  }

  private Invocation factorize(String out, String removed, String... more) {
    var words =
        List.of(
            "compress",
            embedded.directory().toString(),
            "-o",
            out,
            "--factorize",
            "svd",
            "--remove",
            removed);
    return Invocation.of(Stream.concat(words.stream(), Stream.of(more)).toArray(String[]::new));
  }

  @Test
  void mistakesNameWhatWouldBeRight() {
    var out = folder.resolve("never");
    assertMistake(compress(out, "--scheme", "W4A61"), "did you mean 'W4A16'?");
    assertMistake(compress(out, "--gguf", "Q4K"), "did you mean 'Q4_K'?");
    assertMistake(compress(out, "--method", "gtpq"), "did you mean 'gptq'?");
    assertMistake(compress(out, "--group-size", "many"), "'channel'");
    assertMistake(compress(out, "--scheme", "W4A16", "--gguf", "Q4_K"), "mutually exclusive");
    assertMistake(compress(out, "--samples", "few"), "'--samples'");
    assertMistake(run("convert", model(), "-o", out, "--type", "Q8"), "did you mean 'Q8_0'?");
    assertMistake(run("convert", model(), "-o", out, "--type", "Q8_0"), ".gguf");
    assertMistake(run("eval", model(), "--data", folder.resolve("no.txt")), "no.txt");
    assertMistake(run("eval", model()), "'--data=FILE'");
    assertMistake(run("eval", model(), "--data", heldOut, "--seq-len", "99999"), "99999");
    assertThat(out).doesNotExist();
  }

  private static Invocation compress(Path out, String... more) {
    var all = new Object[more.length + 12];
    Object[] fixed = {
      "compress",
      model(),
      "-o",
      out,
      "--data",
      embedded.calibration(),
      "--eval-data",
      heldOut,
      "--samples",
      "8",
      "--seq-len",
      LENGTH
    };
    System.arraycopy(fixed, 0, all, 0, fixed.length);
    System.arraycopy(more, 0, all, fixed.length, more.length);
    return run(all);
  }

  private static Path model() {
    return embedded.directory();
  }

  private static Invocation run(Object... arguments) {
    var words = new String[arguments.length];
    for (int i = 0; i < words.length; i++) {
      words[i] = arguments[i].toString();
    }
    return Invocation.of(words);
  }
}
