package ai.lathe.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import org.junit.jupiter.api.Test;

/** The rooms of ARCHITECTURE.md and the arrows between them, which only ever point down. */
class RoomsTest {

  private static final JavaClasses LATHE =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("ai.lathe");

  private static final SliceAssignment EACH_PACKAGE =
      new SliceAssignment() {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass type) {
          return SliceIdentifier.of(type.getPackageName());
        }

        @Override
        public String getDescription() {
          return "each package of Lathe";
        }
      };

  @Test
  void everyRoomIsSeen() {
    for (var room :
        new String[] {"tensor", "format", "model", "runtime", "torch", "eval", "compress", "cli"}) {
      assertThat(LATHE.stream().filter(c -> c.getPackageName().startsWith("ai.lathe." + room)))
          .as(room)
          .isNotEmpty();
    }
  }

  @Test
  void arrowsPointDown() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("tensor")
        .definedBy("ai.lathe.tensor..")
        .layer("format")
        .definedBy("ai.lathe.format..")
        .layer("model")
        .definedBy("ai.lathe.model..")
        .layer("torch")
        .definedBy("ai.lathe.torch..")
        .layer("eval")
        .definedBy("ai.lathe.eval..")
        .layer("runtime")
        .definedBy("ai.lathe.runtime..")
        .layer("compress")
        .definedBy("ai.lathe.compress..")
        .layer("cli")
        .definedBy("ai.lathe.cli..")
        .whereLayer("tensor")
        .mayNotAccessAnyLayer()
        .whereLayer("format")
        .mayOnlyAccessLayers("tensor")
        .whereLayer("model")
        .mayOnlyAccessLayers("format", "tensor")
        .whereLayer("torch")
        .mayOnlyAccessLayers("model", "format", "tensor")
        .whereLayer("eval")
        .mayOnlyAccessLayers("model", "format", "tensor")
        .whereLayer("runtime")
        .mayOnlyAccessLayers("model", "format", "tensor")
        .whereLayer("compress")
        .mayOnlyAccessLayers("torch", "eval", "model", "format", "tensor")
        .ensureAllClassesAreContainedInArchitectureIgnoring("java..")
        .check(LATHE);
  }

  @Test
  void packagesHaveNoCycles() {
    slices().assignedFrom(EACH_PACKAGE).should().beFreeOfCycles().check(LATHE);
  }

  /** LibTorch stays behind the torch room and those that build on it. */
  @Test
  void belowTorchNobodyKnowsLibTorch() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "ai.lathe.tensor..",
            "ai.lathe.format..",
            "ai.lathe.model..",
            "ai.lathe.eval..",
            "ai.lathe.runtime..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.bytedeco..")
        .check(LATHE);
  }
}
