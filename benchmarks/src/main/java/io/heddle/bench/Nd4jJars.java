package io.heddle.bench;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Where ND4J is: jars that Maven fetches into {@code benchmarks/target/nd4j} when they are first
 * asked for. They are never on our class path.
 */
final class Nd4jJars {
  private static final String PROJECT = "benchmarks/peers/nd4j";

  private Nd4jJars() {}

  /** The folder of jars, in the repository; there or not. */
  static Path folder() {
    Path program = Machine.inRepository(PROJECT + "/Nd4jPeer.java", "run from the repository");
    return program.resolve("../../../target/nd4j").normalize();
  }

  /** Whether they are there. */
  static boolean present() throws IOException {
    if (!Files.isDirectory(folder())) {
      return false;
    }
    try (Stream<Path> files = Files.list(folder())) {
      return files.anyMatch(f -> f.getFileName().toString().startsWith("nd4j-native-api-"));
    }
  }

  /** Fetches them, if they are not there. */
  static void fetch(PrintWriter progress) throws IOException {
    if (present()) {
      return;
    }
    progress.println("fetching ND4J (220 MB) into " + folder());
    progress.flush();
    Path project = Machine.inRepository(PROJECT + "/pom.xml", "run from the repository");
    Process maven =
        new ProcessBuilder("mvn", "-q", "-B", "-f", project.toString(), "package")
            .inheritIO()
            .start();
    try {
      if (maven.waitFor() != 0) {
        throw new IOException("--nd4j: mvn -f " + project + " package failed; see above");
      }
    } catch (InterruptedException e) {
      maven.destroy();
      Thread.currentThread().interrupt();
      throw new IOException("--nd4j: interrupted", e);
    }
  }

  /** What starts the peer. */
  static List<String> command() {
    return List.of(
        ProcessHandle.current().info().command().orElse("java"),
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "-Xmx4g",
        "-cp",
        folder() + "/*",
        Machine.inRepository(PROJECT + "/Nd4jPeer.java", "run from the repository").toString());
  }
}
