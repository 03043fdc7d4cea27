package io.heddle.tests;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which package may know which. */
class ArchitectureTest {
  private static final String[] ENGINE = {
    "io.heddle.tensor..",
    "io.heddle.op..",
    "io.heddle.backend..",
    "io.heddle.autograd..",
    "io.heddle.checkpoint.."
  };
  private static final String[] NLP = {
    "io.heddle.nn..",
    "io.heddle.models..",
    "io.heddle.train..",
    "io.heddle.methods..",
    "io.heddle.text..",
    "io.heddle.metrics..",
    "io.heddle.data..",
    "io.heddle.progress..",
    "io.heddle.report.."
  };
  private static final String BINDING = "io.heddle.binding..";
  private static final String CLI = "io.heddle.cli..";

  private static final JavaClasses ALL =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .withImportOption(location -> !location.contains("/io/heddle/tests/"))
          .importPackages("io.heddle");

  /** A rule that holds because nothing was read holds nothing. */
  @Test
  void everyModuleWasRead() {
    for (String name :
        List.of(
            "io.heddle.tensor.Tensor",
            "io.heddle.binding.Door",
            "io.heddle.models.Decoder",
            "io.heddle.methods.lm.LmRun",
            "io.heddle.text.ByteLevelBpe",
            "io.heddle.cli.Main")) {
      assertTrue(
          ALL.contain(name), name + " was not read: is ArchUnit too old for these class files?");
      assertTrue(
          !ALL.get(name).getMethods().isEmpty(), name + " has no methods: only its name was read");
    }
  }

  @Test
  void engineKnowsNothingAboveIt() {
    noClasses()
        .that()
        .resideInAnyPackage(ENGINE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(BINDING, CLI)
        .check(ALL);
    noClasses()
        .that()
        .resideInAnyPackage(ENGINE)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(NLP)
        .check(ALL);
  }

  @Test
  void nlpKnowsNeitherBindingNorCommandLine() {
    noClasses()
        .that()
        .resideInAnyPackage(NLP)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(BINDING, CLI)
        .check(ALL);
    noClasses()
        .that()
        .resideInAPackage(BINDING)
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(NLP)
        .check(ALL);
    noClasses()
        .that()
        .resideInAPackage(BINDING)
        .should()
        .dependOnClassesThat()
        .resideInAPackage(CLI)
        .check(ALL);
  }

  @Test
  void onlyTheBindingKnowsJavaCpp() {
    noClasses()
        .that()
        .resideOutsideOfPackage(BINDING)
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.bytedeco..")
        .check(ALL);
  }

  @Test
  void nlpIsLayered() {
    String[][] layers = {
      {"io.heddle.nn.."}, {"io.heddle.models.."}, {"io.heddle.train.."}, {"io.heddle.methods.."}
    };
    for (int low = 0; low < layers.length; low++) {
      for (int high = low + 1; high < layers.length; high++) {
        noClasses()
            .that()
            .resideInAnyPackage(layers[low])
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(layers[high])
            .check(ALL);
      }
    }
    String[] upper = {"io.heddle.models..", "io.heddle.train..", "io.heddle.methods.."};
    noClasses()
        .that()
        .resideInAnyPackage("io.heddle.data..", "io.heddle.text..", "io.heddle.progress..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(upper)
        .check(ALL);
    classes()
        .that()
        .resideInAPackage("io.heddle.metrics..")
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage("io.heddle.metrics..", "io.heddle.text..", "java..", "org.jspecify..")
        .check(ALL);
  }

  @Test
  void packagesAreNamedByWhatTheyHold() {
    classes()
        .should()
        .resideOutsideOfPackages(
            "..util..",
            "..utils..",
            "..common..",
            "..helper..",
            "..helpers..",
            "..impl..",
            "..manager..")
        .check(ALL);
  }

  @Test
  void onlyTheCommandLinePrints() {
    for (String stream : List.of("out", "err")) {
      noClasses()
          .that()
          .resideOutsideOfPackage(CLI)
          .should()
          .accessField(System.class, stream)
          .check(ALL);
    }
    noClasses()
        .that()
        .resideOutsideOfPackage(CLI)
        .should()
        .callMethod(Throwable.class, "printStackTrace")
        .check(ALL);
  }
}
