package ai.lathe.format.compressed;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.lathe.format.FormatException;
import ai.lathe.format.HostileInput;
import ai.lathe.format.Json;
import ai.lathe.format.JsonFields;
import ai.lathe.format.MapSource;
import ai.lathe.format.TensorInfo;
import ai.lathe.format.quantized.Quantizations;
import ai.lathe.tensor.Activations;
import ai.lathe.tensor.BlockDiagonal;
import ai.lathe.tensor.DType;
import ai.lathe.tensor.Encoding;
import ai.lathe.tensor.FloatScheme;
import ai.lathe.tensor.GroupQuantized;
import ai.lathe.tensor.IntegerScheme;
import ai.lathe.tensor.IntegerType;
import ai.lathe.tensor.LatheException;
import ai.lathe.tensor.LinearWeight;
import ai.lathe.tensor.ModeMatrix;
import ai.lathe.tensor.Pattern;
import ai.lathe.tensor.Product;
import ai.lathe.tensor.Rotated;
import ai.lathe.tensor.ScaleTile;
import ai.lathe.tensor.Sum;
import ai.lathe.tensor.Tensor;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CompositeCodecTest {

  private static final int ROWS = 16;
  private static final int COLUMNS = 64;

  private static IntegerScheme int4(boolean symmetric, Activations activations) {
    return new IntegerScheme(4, 16, symmetric, activations);
  }

  private static GroupQuantized codes(IntegerScheme scheme, Random random) {
    return SparseLayers.codes(scheme, ROWS, COLUMNS, DType.F16, random);
  }

  private static GroupQuantized ordered(Random random) {
    var weight = codes(int4(true, Activations.NONE), random);
    var index = new int[COLUMNS];
    for (int j = 0; j < COLUMNS; j++) {
      index[j] = j % 4;
    }
    return new GroupQuantized(
        weight.scheme(), ROWS, COLUMNS, weight.codes(), weight.scales(), null, index);
  }

  private static Sum spqr(Random random) {
    var dense =
        SpQrCodecTest.dense(new Encoding.Bilevel(3, 16, 3, 3, 8, true), ROWS, COLUMNS, random);
    return new Sum(List.of(dense, SpQrCodecTest.outliers(0.02, ROWS, COLUMNS, random)));
  }

  private static BlockDiagonal diagonal(int blocks, int size, Random random) {
    return new BlockDiagonal(
        SparseLayers.floats(random, blocks, size, size).to(DType.BF16, Arena.ofAuto()));
  }

  /** One of each kind that has a codec. */
  static List<LinearWeight> bases(Random random) {
    var still = new Activations.PerTensor(new IntegerType(8));
    var plain = SparseLayers.dense(ROWS, COLUMNS, DType.BF16, random);
    var half = new Pattern.SemiStructured(2, 4);
    return List.of(
        plain,
        codes(int4(false, Activations.NONE), random),
        ordered(random),
        codes(new IntegerScheme(8, IntegerScheme.CHANNEL, true, Activations.INT8_TOKEN), random),
        codes(new IntegerScheme(8, IntegerScheme.CHANNEL, false, still), random),
        CodecTest.random(
            FloatScheme.fp8(ScaleTile.CHANNEL, Activations.FP8_TOKEN), ROWS, COLUMNS, random),
        new Rotated(
            32, CodecTest.random(FloatScheme.nvfp4(Activations.NVFP4), ROWS, COLUMNS, random)),
        SparseLayers.sparse(plain, Pattern.UNSTRUCTURED, random),
        SparseLayers.sparse(plain, half, random),
        SparseLayers.sparse(plain, new Pattern.Blocks(4, 1), random),
        SparseLayers.sparse(codes(int4(true, Activations.NONE), random), half, random),
        SparseLayers.sparse(codes(int4(true, still), random), Pattern.UNSTRUCTURED, random),
        CodebookCodecTest.random(
            new Encoding.Codebooks(1, 8, List.of(4, 4), true), ROWS, COLUMNS, random),
        spqr(random),
        BitStackCodecTest.stack(2, ROWS, COLUMNS, 3));
  }

  private static Product lowRank(DType type, Random random) {
    return Product.lowRank(
        SparseLayers.dense(ROWS, 3, type, random), SparseLayers.dense(3, COLUMNS, type, random));
  }

  static List<LinearWeight> products(Random random) {
    var core = SparseLayers.dense(ROWS, COLUMNS, DType.BF16, random);
    return List.of(
        lowRank(DType.BF16, random),
        new Product(
            List.of(
                diagonal(4, 4, random),
                SparseLayers.sparse(core, new Pattern.SemiStructured(2, 4), random),
                diagonal(8, 8, random))),
        new Product(
            List.of(
                SparseLayers.dense(ROWS, 24, DType.F16, random),
                SparseLayers.sparse(
                    SparseLayers.dense(24, COLUMNS, DType.F16, random),
                    Pattern.UNSTRUCTURED,
                    random))),
        new Product(
            List.of(
                SparseLayers.codes(
                    new IntegerScheme(4, 8, true, Activations.NONE), ROWS, 8, DType.F16, random),
                SparseLayers.codes(int4(false, Activations.NONE), 8, COLUMNS, DType.F16, random))),
        // Monarch's [4 x 4, 8 x 8] of rank 2, then cores of 3 x (2, 4, 2) by (4, 4, 4) and scales.
        new Product(
            List.of(
                new ModeMatrix(blocks(random, 1, 4, 4, 16), 1, 4),
                new ModeMatrix(blocks(random, 8, 1, 8, 8), 8, 1))),
        new Product(
            List.of(
                new ModeMatrix(blocks(random, 1, 1, 2, 12), 1, 8),
                new ModeMatrix(blocks(random, 1, 1, 12, 20), 4, 2),
                new ModeMatrix(blocks(random, 1, 1, 10, 4), 16, 1),
                new ModeMatrix(blocks(random, 1, COLUMNS, 1, 1), 1, COLUMNS))),
        // Likewise in codes.
        new Product(
            List.of(
                new ModeMatrix(rows(4 * 4, 16, true, random), false, true, 1, 4),
                new ModeMatrix(rows(8 * 8, 8, true, random), true, false, 8, 1))),
        new Product(
            List.of(
                new ModeMatrix(rows(2, 32, false, random), false, false, 1, 8),
                new ModeMatrix(rows(32, 16, false, random), false, false, 4, 2),
                new ModeMatrix(blocks(random, 1, 1, 8, 4), 16, 1))));
  }

  private static GroupQuantized rows(int rows, int columns, boolean symmetric, Random random) {
    var scheme = new IntegerScheme(4, 8, symmetric, Activations.NONE);
    return SparseLayers.codes(scheme, rows, columns, DType.F16, random);
  }

  private static Tensor blocks(Random random, int outer, int inner, int high, int wide) {
    return SparseLayers.floats(random, outer, inner, high, wide).to(DType.F16, Arena.ofAuto());
  }

  static Stream<Named<LinearWeight>> composites() {
    var random = new Random(17);
    var all = new ArrayList<>(products(random));
    for (var base : bases(random)) {
      all.add(new Sum(List.of(base, lowRank(DType.F16, random))));
    }
    all.add(new Sum(List.of(bases(random).getFirst(), products(random).get(1))));
    all.add(new Sum(List.of(products(random).get(1), lowRank(DType.F32, random))));
    return all.stream().map(weight -> Named.of(weight.encoding().label(), weight));
  }

  @ParameterizedTest
  @MethodSource("composites")
  void whatIsWrittenIsAsLongAsPromisedAndComesBack(LinearWeight weight) {
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put("m.q", weight.encoding());
    modules.put("other", new Encoding.Plain(DType.F16));
    var config = QuantizationConfig.describe(modules, false);
    assertThat(config.toJson().get("quant_method").textValue()).isEqualTo("lathe");
    var stored =
        QuantizationConfig.read(new JsonFields(config.toJson(), "config.json"))
            .module("m.q", "Linear")
            .orElseThrow();
    var codec = CompressedTensors.codec(weight.encoding());
    assertThat(stored.codec()).isSameAs(codec);
    var tensors = codec.encode("m.q", weight);
    assertThat(codec.layout("m.q", weight.encoding(), ROWS, COLUMNS))
        .containsExactlyInAnyOrderElementsOf(
            tensors.entrySet().stream()
                .map(e -> new TensorInfo(e.getKey(), e.getValue().dtype(), e.getValue().shape()))
                .toList());
    var constants = codec.constants("m.q", weight.encoding(), ROWS, COLUMNS);
    constants.forEach(
        (name, tensor) -> assertThat(bytes(tensor)).isEqualTo(bytes(tensors.get(name))));
    // What is not data: 16 bytes of each shape, and where the rows of a bitmask begin.
    long constant =
        tensors.entrySet().stream()
            .filter(e -> e.getKey().endsWith("shape") || e.getKey().endsWith("row_offsets"))
            .filter(
                e ->
                    !(weight.encoding().label().contains("bilevel")
                        && e.getKey().endsWith("row_offsets")))
            .mapToLong(e -> e.getValue().data().byteSize())
            .sum();
    assertThat(codec.bytes(weight.encoding(), ROWS, COLUMNS))
        .isEqualTo(tensors.values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum())
        .isEqualTo(weight.encoding().bytes(ROWS, COLUMNS) + constant);
    var known = new ArrayList<>(Quantizations.companionSuffixes());
    known.addAll(Quantizations.weightSuffixes());
    assertThat(known).containsAll(tensors.keySet().stream().map(n -> n.substring(3)).toList());
    assertThat(Quantizations.weightSuffixes()).anyMatch(mark -> tensors.containsKey("m.q" + mark));
    var source = new MapSource(tensors);
    assertThat(codec.shape("m.q", stored.encoding(), source)).containsExactly(ROWS, COLUMNS);
    var back = codec.decode("m.q", stored.encoding(), source);
    assertThat(back.encoding()).isEqualTo(weight.encoding());
    assertThat(back.decode().values()).isEqualTo(weight.decode().values());
    for (var tensor : codec.encode("m.q", back).entrySet()) {
      assertThat(bytes(tensor.getValue())).isEqualTo(bytes(tensors.get(tensor.getKey())));
    }
  }

  private static byte[] bytes(Tensor tensor) {
    return tensor.data().toArray(ValueLayout.JAVA_BYTE);
  }

  /** What a weight is stored as alone, and what is added to it beside. */
  @Test
  void aCompensatedWeightKeepsItsOwnNames() {
    var random = new Random(1);
    var base = codes(int4(true, Activations.NONE), random);
    var sum = new Sum(List.of(base, lowRank(DType.F16, random)));
    assertThat(CompressedTensors.codec(sum.encoding()).encode("q", sum).keySet())
        .containsExactlyInAnyOrder(
            "q.weight_packed", "q.weight_scale", "q.weight_shape", "q.weight_u", "q.weight_v");
    assertThat(CompressedTensors.codec(sum.encoding()).encode("q", sum).get("q.weight_u").shape())
        .containsExactly(ROWS, 3);
  }

  @Test
  void layersThatDifferInSizeAloneShareAGroup() {
    var random = new Random(1);
    var base = SparseLayers.dense(ROWS, COLUMNS, DType.BF16, random);
    var modules = new LinkedHashMap<String, Encoding>();
    for (int rank : new int[] {2, 5}) {
      var product =
          Product.lowRank(
              SparseLayers.dense(ROWS, rank, DType.BF16, random),
              SparseLayers.dense(rank, COLUMNS, DType.BF16, random));
      var sparse = SparseLayers.sparse(base, Pattern.UNSTRUCTURED, random);
      modules.put("m" + rank, new Sum(List.of(sparse, product)).encoding());
    }
    assertThat(QuantizationConfig.describe(modules, false).groups()).hasSize(1);
  }

  /** Two products would have the same names; sums of more parts have no place. */
  @Test
  void whatHasNoNamesIsRefused() {
    var random = new Random(1);
    var product = lowRank(DType.F16, random);
    var plain = SparseLayers.dense(ROWS, COLUMNS, DType.BF16, random);
    for (var parts :
        List.of(
            List.<LinearWeight>of(product, product),
            List.<LinearWeight>of(plain, plain),
            List.<LinearWeight>of(plain, product, product))) {
      assertThatThrownBy(() -> CompressedTensors.codec(new Sum(parts).encoding()))
          .isInstanceOf(LatheException.class)
          .hasMessageContaining("stores no");
    }
  }

  private static void refused(ObjectNode config, String... words) {
    assertThatThrownBy(() -> QuantizationConfig.read(new JsonFields(config, "config.json")))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("config.json")
        .hasMessageContainingAll(words)
        .hasMessageNotContaining("\n");
  }

  @Test
  void descriptionsThatCannotBeAreRefused() {
    var random = new Random(1);
    var modules = new LinkedHashMap<String, Encoding>();
    var plain = SparseLayers.dense(ROWS, COLUMNS, DType.BF16, random);
    modules.put("m", new Sum(List.of(plain, lowRank(DType.F16, random))).encoding());
    var json = QuantizationConfig.describe(modules, false).toJson();
    var weights = (ObjectNode) json.at("/config_groups/group_0/weights");
    var parts = (ArrayNode) weights.get("parts");
    var product = (ObjectNode) parts.get(1);
    var factors = (ArrayNode) product.at("/weights/factors");
    refused(without(json, "/config_groups/group_0/weights", "parts"), "parts");
    factors.add(factors.get(0)).add(factors.get(0)).add(factors.get(0)).add(factors.get(0));
    refused(json, "factors", "2 to 5");
    factors.removeAll();
    refused(json, "factors", "2 to 5");
    factors.add(3).add("a");
    refused(json, "factors", "objects");
    factors.removeAll().add(Json.object().put("format", "dense"));
    factors.add(Json.object().put("format", "lathe-product"));
    refused(json, "lathe-product", "supported");
    parts.set(0, Json.object().put("format", "lathe-sum"));
    refused(json, "lathe-sum", "supported");
    parts.set(0, Json.object().put("format", "dense"));
    parts.set(1, Json.object().put("format", "dense"));
    refused(json, "parts", "lathe-product");
    parts.removeAll();
    refused(json, "parts");
  }

  private static ObjectNode without(ObjectNode json, String at, String field) {
    var copy = json.deepCopy();
    ((ObjectNode) copy.at(at)).remove(field);
    return copy;
  }

  /** Some bytes of the data changed, or whole tensors of another type or shape, or gone. */
  @Property(tries = 5000)
  void damagedTensorsAreRefusedOrReadable(@ForAll Random random) {
    var all = DAMAGED;
    var weight = all.get(random.nextInt(all.size()));
    var codec = CompressedTensors.codec(weight.getKey());
    var tensors = new LinkedHashMap<>(weight.getValue());
    var names = List.copyOf(tensors.keySet());
    for (int i = random.nextInt(3); i >= 0; i--) {
      var name = names.get(random.nextInt(names.size()));
      var old = tensors.get(name);
      switch (random.nextInt(4)) {
        case 0 -> tensors.remove(name);
        case 1 -> {
          if (old != null) {
            tensors.put(name, CodecTest.damaged(old, random));
          }
        }
        default -> {
          if (old != null && old.data().byteSize() > 0) {
            var data = bytes(old);
            data[random.nextInt(data.length)] ^= (byte) (1 << random.nextInt(8));
            tensors.put(name, new Tensor(old.dtype(), old.shape(), MemorySegment.ofArray(data)));
          }
        }
      }
    }
    var described =
        codec instanceof ConfiguredCodec configured
            ? configured.described(weight.getKey())
            : weight.getKey();
    HostileInput.assertTame(
        new byte[0],
        none -> {
          var source = new MapSource(tensors);
          codec.shape("m", described, source);
          var back = codec.decode("m", described, source);
          if ((long) back.rows() * back.columns() < 1 << 16) {
            back.decode();
          }
        });
  }

  /** {@code a} stores the dictionary, {@code b} refers to it. */
  private static Map<String, Tensor> sharing(Product... weights) {
    var tensors = new LinkedHashMap<String, Tensor>();
    for (int i = 0; i < weights.length; i++) {
      var name = Character.toString('a' + i);
      tensors.putAll(CompressedTensors.codec(weights[i].encoding()).encode(name, weights[i]));
    }
    return tensors;
  }

  private static Encoding described(String name, Product weight) {
    var modules = new LinkedHashMap<String, Encoding>();
    modules.put(name, weight.encoding());
    modules.put("other", new Encoding.Plain(DType.F16));
    var json = QuantizationConfig.describe(modules, false).toJson();
    return QuantizationConfig.read(new JsonFields(json, "config.json"))
        .module(name, "Linear")
        .orElseThrow()
        .encoding();
  }

  @Test
  void aFactorOfTwoWeightsIsStoredOnce() {
    var random = new Random(5);
    var codes =
        SparseLayers.codes(
            new IntegerScheme(8, 8, true, Activations.NONE), 24, COLUMNS, DType.F16, random);
    for (var dictionary :
        List.<LinearWeight>of(SparseLayers.dense(24, COLUMNS, DType.F16, random), codes)) {
      for (boolean dense : new boolean[] {false, true}) {
        var all = SparseLayers.dense(ROWS, 24, DType.F16, random);
        LinearWeight c = dense ? all : SparseLayers.sparse(all, Pattern.UNSTRUCTURED, random);
        var a = new Product(List.of(c, dictionary));
        var b = new Product(List.of(c, dictionary), Optional.of("a"));
        var tensors = sharing(a, b);
        assertThat(tensors.keySet()).noneMatch(name -> name.startsWith("b.factor_1"));
        var codec = CompressedTensors.codec(b.encoding());
        var own = tensors.keySet().stream().filter(name -> name.startsWith("b.")).toList();
        assertThat(codec.layout("b", b.encoding(), ROWS, COLUMNS).stream().map(TensorInfo::name))
            .containsExactlyInAnyOrderElementsOf(own);
        assertThat(codec.bytes(b.encoding(), ROWS, COLUMNS))
            .isEqualTo(own.stream().mapToLong(name -> tensors.get(name).data().byteSize()).sum());
        assertThat(b.encoding().bytes(ROWS, COLUMNS))
            .isEqualTo(
                a.encoding().bytes(ROWS, COLUMNS) - dictionary.encoding().bytes(24, COLUMNS));
        var source = new MapSource(tensors);
        var stored = described("b", b);
        assertThat(codec.shape("b", stored, source)).containsExactly(ROWS, COLUMNS);
        var back = codec.decode("b", stored, source);
        assertThat(back.encoding()).isEqualTo(b.encoding());
        assertThat(back.decode().values()).isEqualTo(a.decode().values());
      }
    }
  }

  @Test
  void whatRefersToNoFactorOfAnOwnersIsRefused() {
    var random = new Random(5);
    var c =
        SparseLayers.sparse(
            SparseLayers.dense(ROWS, 24, DType.F16, random), Pattern.UNSTRUCTURED, random);
    var dictionary = SparseLayers.dense(24, COLUMNS, DType.F16, random);
    var narrow = SparseLayers.dense(8, COLUMNS, DType.F16, random);
    var smaller =
        SparseLayers.sparse(
            SparseLayers.dense(ROWS, 8, DType.F16, random), Pattern.UNSTRUCTURED, random);
    var a = new Product(List.of(c, dictionary));
    var tensors =
        sharing(
            a,
            new Product(List.of(c, dictionary), Optional.of("a")),
            new Product(List.of(c, dictionary), Optional.of("b")),
            new Product(List.of(c, dictionary), Optional.of("nobody")),
            new Product(List.of(smaller, narrow)));
    var source = new MapSource(tensors);
    var codec = CompressedTensors.codec(a.encoding());
    for (var owner : List.of("b", "c", "nobody")) {
      var encoding = described("c", new Product(List.of(c, dictionary), Optional.of(owner)));
      var message =
          "'c' takes its last factor from '%s', which has no '%s.factor_1' of F16 of its own"
              .formatted(owner, owner);
      assertThatThrownBy(() -> codec.decode("c", encoding, source))
          .isInstanceOf(FormatException.class)
          .hasMessage(message);
      assertThatThrownBy(() -> codec.shape("c", encoding, source))
          .isInstanceOf(FormatException.class)
          .hasMessage(message);
    }
    // To itself, though the file has such tensors.
    var itself = described("a", new Product(List.of(c, dictionary), Optional.of("a")));
    assertThatThrownBy(() -> codec.decode("a", itself, source))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'a' takes its last factor from 'a'");
    var unfit = described("b", new Product(List.of(c, dictionary), Optional.of("e")));
    assertThatThrownBy(() -> codec.decode("b", unfit, source))
        .isInstanceOf(FormatException.class)
        .hasMessage("'b': a factor of 24 columns cannot stand before one of 8 rows");
    // Of another kind than what is stored.
    var codes =
        SparseLayers.codes(
            new IntegerScheme(8, 8, true, Activations.NONE), 24, COLUMNS, DType.F16, random);
    var other = described("b", new Product(List.of(c, codes), Optional.of("a")));
    assertThatThrownBy(() -> codec.decode("b", other, source))
        .isInstanceOf(FormatException.class)
        .hasMessageContaining("'b' takes its last factor from 'a'");
    // Not the last one.
    var first =
        new Encoding.Product(
            List.of(new Encoding.Shared("a", c.encoding()), dictionary.encoding()), List.of(24));
    assertThatThrownBy(() -> CompressedTensors.codec(first))
        .isInstanceOf(LatheException.class)
        .hasMessageContaining("stores no");
  }

  private static final List<Map.Entry<Encoding, Map<String, Tensor>>> DAMAGED = damaged();

  private static List<Map.Entry<Encoding, Map<String, Tensor>>> damaged() {
    var random = new Random(23);
    var weights = new ArrayList<>(products(random));
    var bases = bases(random);
    // Those of this package's sparse formats, alone and in sums.
    for (var base : bases.subList(7, 12)) {
      weights.add(base);
      weights.add(new Sum(List.of(base, lowRank(DType.F16, random))));
    }
    var result = new ArrayList<Map.Entry<Encoding, Map<String, Tensor>>>();
    for (var weight : weights) {
      var codec = CompressedTensors.codec(weight.encoding());
      result.add(Map.entry(weight.encoding(), codec.encode("m", weight)));
    }
    return result;
  }
}
