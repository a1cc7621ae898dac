package ai.lathe.compress.allocation;

import ai.lathe.tensor.LatheException;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Which type llama.cpp's {@code llama-quantize} gives each matrix of a file of some type, without
 * an importance matrix; as of 2026 ({@code src/llama-quant.cpp}), unchanged since 2024.
 *
 * @param name as llama.cpp calls the file type, for example {@code Q4_K_M}
 * @param base of every matrix that no rule is for
 * @param rules the first that applies decides
 */
record FileType(String name, String base, List<Rule> rules) {

  /** Matrices that have rules of their own. */
  enum Part {
    /** Also queries, keys and values in one matrix. */
    VALUE,
    KEY,
    ATTENTION_OUTPUT,
    DOWN,
    /** Also a token table that is the head. */
    HEAD,
    OTHER
  }

  /** Blocks that a rule is for. */
  private enum Blocks {
    ALL,
    FIRST_TWO,
    FIRST_FOUR,
    FIRST_SIXTEENTH,
    FIRST_EIGHTH,
    /** The first eighth, the last eighth, and every third of those between. */
    EDGES_AND_THIRDS,
    /** All, where four heads or more share their keys and values. */
    ALL_IF_GROUPED;

    private boolean has(int block, Shape shape) {
      int n = shape.blocks();
      return switch (this) {
        case ALL -> true;
        case FIRST_TWO -> block < 2;
        case FIRST_FOUR -> block < 4;
        case FIRST_SIXTEENTH -> block < n / 16;
        case FIRST_EIGHTH -> block < n / 8;
        case EDGES_AND_THIRDS -> block < n / 8 || block >= 7 * n / 8 || (block - n / 8) % 3 == 2;
        case ALL_IF_GROUPED -> shape.known() >= 4;
      };
    }
  }

  private record Rule(Part part, Blocks blocks, String type) {}

  /**
   * What rules ask of a model.
   *
   * @param experts in each block; 0 without
   * @param tied whether the token table is the head: there is no other
   * @param groups query heads for each key head, where they can be told
   */
  record Shape(int blocks, int experts, boolean tied, Optional<Integer> groups) {
    private int known() {
      return groups.orElseThrow(
          () ->
              new LatheException(
                  "llama.cpp's types for this model depend on how many heads share their keys, which the levels do not tell: give it as setting 'groups'"));
    }
  }

  private static final Set<String> WIDER_OUTPUT_OF_EIGHT_EXPERTS =
      Set.of("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M");

  /** In ascending order of bytes. */
  static final List<FileType> ALL =
      List.of(
          new FileType(
              "Q2_K_S",
              "Q2_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.ALL_IF_GROUPED, "Q4_K"),
                  new Rule(Part.DOWN, Blocks.FIRST_EIGHTH, "Q4_K"))),
          new FileType(
              "Q2_K",
              "Q2_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.ALL_IF_GROUPED, "Q4_K"),
                  new Rule(Part.VALUE, Blocks.ALL, "Q3_K"),
                  new Rule(Part.DOWN, Blocks.ALL, "Q3_K"),
                  new Rule(Part.ATTENTION_OUTPUT, Blocks.ALL, "Q3_K"))),
          new FileType("Q3_K_S", "Q3_K", List.of()),
          new FileType(
              "Q3_K_M",
              "Q3_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.FIRST_TWO, "Q5_K"),
                  new Rule(Part.VALUE, Blocks.ALL, "Q4_K"),
                  new Rule(Part.DOWN, Blocks.FIRST_SIXTEENTH, "Q5_K"),
                  new Rule(Part.DOWN, Blocks.ALL, "Q4_K"),
                  new Rule(Part.ATTENTION_OUTPUT, Blocks.ALL, "Q4_K"))),
          new FileType(
              "Q3_K_L",
              "Q3_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.ALL, "Q5_K"),
                  new Rule(Part.DOWN, Blocks.ALL, "Q5_K"),
                  new Rule(Part.ATTENTION_OUTPUT, Blocks.ALL, "Q5_K"))),
          new FileType("Q4_0", "Q4_0", List.of()),
          new FileType(
              "Q4_K_S",
              "Q4_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.FIRST_FOUR, "Q5_K"),
                  new Rule(Part.DOWN, Blocks.FIRST_EIGHTH, "Q5_K"))),
          new FileType(
              "Q4_K_M",
              "Q4_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.EDGES_AND_THIRDS, "Q6_K"),
                  new Rule(Part.DOWN, Blocks.EDGES_AND_THIRDS, "Q6_K"))),
          new FileType("Q5_0", "Q5_0", List.of()),
          new FileType("Q5_K_S", "Q5_K", List.of()),
          new FileType(
              "Q5_K_M",
              "Q5_K",
              List.of(
                  new Rule(Part.VALUE, Blocks.EDGES_AND_THIRDS, "Q6_K"),
                  new Rule(Part.DOWN, Blocks.EDGES_AND_THIRDS, "Q6_K"))),
          new FileType("Q6_K", "Q6_K", List.of()),
          new FileType("Q8_0", "Q8_0", List.of()));

  static FileType named(String name) {
    return ALL.stream()
        .filter(type -> type.name.equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                LatheException.unknown(
                    "file type of llama.cpp", name, ALL.stream().map(FileType::name).toList()));
  }

  /** The type of a matrix, before what its shape makes of it. */
  String type(Part part, int block, Shape shape) {
    if (part == Part.HEAD) {
      return base.equals("Q8_0") ? base : "Q6_K";
    }
    if (shape.experts == 8) {
      switch (part) {
        case VALUE, KEY -> {
          return "Q8_0";
        }
        case ATTENTION_OUTPUT -> {
          return WIDER_OUTPUT_OF_EIGHT_EXPERTS.contains(name) ? "Q5_K" : base;
        }
        default -> {}
      }
    }
    var type =
        rules.stream()
            .filter(rule -> rule.part == part && rule.blocks.has(block, shape))
            .map(Rule::type)
            .findFirst()
            .orElse(base);
    // Llama and Qwen 2 of 70 billion: values are an eighth of the queries there.
    boolean narrow = type.equals("Q3_K") || type.equals("Q4_K");
    return part == Part.VALUE && shape.blocks == 80 && narrow && shape.known() > 1 ? "Q5_K" : type;
  }
}
