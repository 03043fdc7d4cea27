/** The command {@code heddle}. */
module io.heddle.cli {
  requires io.heddle.engine;
  requires io.heddle.nlp;
  // Not called: here so that its backends are found.
  requires io.heddle.binding;
  requires static org.jspecify;
  requires com.fasterxml.jackson.databind;
  requires com.fasterxml.jackson.dataformat.yaml;
  requires info.picocli;
  requires jdk.management;
  requires me.tongfei.progressbar;

  exports io.heddle.cli;

  uses io.heddle.cli.Verb;

  // picocli fills fields and makes commands by reflection.
  opens io.heddle.cli to
      info.picocli;
}
