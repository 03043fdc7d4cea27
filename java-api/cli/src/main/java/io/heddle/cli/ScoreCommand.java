package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.metrics.Bleu;
import io.heddle.metrics.BleuTokenizer;
import io.heddle.metrics.Bootstrap;
import io.heddle.metrics.ChrF;
import io.heddle.metrics.Digits;
import io.heddle.metrics.MetricScore;
import io.heddle.metrics.Rouge;
import io.heddle.metrics.Smoothing;
import io.heddle.metrics.Squad;
import io.heddle.metrics.Tally;
import io.heddle.metrics.Ter;
import io.heddle.metrics.TextMetric;
import io.heddle.text.TextFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle score}: what a metric says of lines of text beside reference lines. */
@Command(
    name = "score",
    description =
        "Scores lines of text against reference lines: BLEU, chrF and TER as sacreBLEU does,"
            + " ROUGE, and exact match and F1 of SQuAD.")
final class ScoreCommand implements Callable<Integer> {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final double SIGNIFICANT = 0.05;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(paramLabel = "HYPOTHESES", description = "A file of lines, may be gzipped.")
  private Path hypotheses = Path.of("");

  @Option(
      names = "--references",
      required = true,
      paramLabel = "FILE",
      description = "Its lines belong to those of HYPOTHESES; may be repeated.")
  private List<Path> references = new ArrayList<>();

  @Option(
      names = "--metric",
      defaultValue = "bleu",
      description =
          "bleu, chrf, chrf++, ter, rouge1 to rouge9, rougeL, rougeLsum or squad; may be repeated"
              + " (default: bleu).")
  private List<String> metrics = new ArrayList<>();

  @Option(
      names = "--tokenize",
      defaultValue = "13a",
      description = "Words of BLEU: 13a, intl, zh, char or none (default: 13a).")
  private String tokenize = "";

  @Option(
      names = "--smooth",
      defaultValue = "exp",
      description = "Smoothing of BLEU: exp, floor, add-k or none (default: exp).")
  private String smooth = "";

  @Option(names = "--lowercase", description = "Ignore case (TER and ROUGE always do).")
  private boolean lowerCase;

  @Option(names = "--stem", description = "Stem the words of ROUGE by Porter's rules.")
  private boolean stem;

  @Option(
      names = "--newline",
      paramLabel = "MARK",
      description = "What stands for the end of a sentence in a line, for rougeLsum: '<n>'.")
  private @Nullable String newline;

  @Option(
      names = "--bootstrap",
      paramLabel = "BASELINE",
      description = "Lines of another system: says whether the difference is more than chance.")
  private @Nullable Path baseline;

  @Option(names = "--samples", defaultValue = "1000", description = "Resamples (default: 1000).")
  private int samples;

  @Option(names = "--seed", defaultValue = "12345", description = "Of the resamples.")
  private long seed;

  @Option(names = "--sentences", description = "Also print the score of every line, tab, line.")
  private boolean sentences;

  @Option(names = "--json", description = "Print one JSON object per metric.")
  private boolean json;

  ScoreCommand() {}

  @Override
  public Integer call() throws IOException {
    List<TextMetric<?>> chosen = new ArrayList<>();
    for (String name : metrics) {
      chosen.add(metric(name));
    }
    List<String> lines = lines(hypotheses);
    List<List<String>> right = new ArrayList<>();
    for (Path file : references) {
      right.add(beside(lines, lines(file), file));
    }
    List<String> others = baseline == null ? List.of() : beside(lines, lines(baseline), baseline);
    PrintWriter out = spec.commandLine().getOut();
    for (TextMetric<?> metric : chosen) {
      print(metric, lines, others, right, out);
    }
    out.flush();
    return 0;
  }

  private TextMetric<?> metric(String name) {
    Bleu bleu =
        Bleu.standard()
            .with(BleuTokenizer.of(tokenize))
            .with(Smoothing.of(smooth))
            .lowerCased(lowerCase);
    String known = name.toLowerCase(Locale.ROOT);
    return switch (known) {
      case "bleu" -> bleu.effective(sentences);
      case "chrf" -> new ChrF(6, 0, 2, lowerCase, false, false);
      case "chrf++" -> new ChrF(6, 2, 2, lowerCase, false, false);
      case "ter" -> Ter.standard();
      case "rougel" -> new Rouge("L", stem);
      case "rougelsum" -> new Rouge("Lsum", stem);
      case "squad" -> Squad.standard();
      default -> {
        if (!known.matches("rouge[1-9]")) {
          throw new IllegalArgumentException(
              ("there is no metric '" + name + "'; there are bleu, chrf, chrf++, ter, rouge1 to")
                  + " rouge9, rougeL, rougeLsum and squad");
        }
        yield new Rouge(known.substring(5), stem);
      }
    };
  }

  private <S extends MetricScore> void print(
      TextMetric<S> metric,
      List<String> lines,
      List<String> others,
      List<List<String>> right,
      PrintWriter out) {
    Tally<S> tally = new Tally<>(metric);
    List<double[]> rows = new ArrayList<>();
    List<double[]> before = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      int at = i;
      List<String> of = right.stream().map(r -> r.get(at)).toList();
      double[] row = tally.add(lines.get(i), of);
      if (baseline != null) {
        rows.add(row);
        before.add(metric.count(others.get(i), of));
      }
      if (sentences) {
        out.println(Digits.of(metric.score(row).value(), 4) + "\t" + lines.get(i));
      }
    }
    Bootstrap bootstrap = new Bootstrap(samples, seed);
    Bootstrap.@Nullable Paired paired =
        baseline == null ? null : bootstrap.paired(metric, before, rows);
    if (json) {
      out.println(json(tally, paired));
      return;
    }
    S score = tally.score();
    String line = score.name() + "|" + tally.signature() + " = " + Digits.of(score.value(), 2);
    out.println((line + " " + score.details()).stripTrailing());
    if (paired != null) {
      out.println(sentence(paired));
    }
  }

  private String sentence(Bootstrap.Paired paired) {
    return ("baseline " + score(paired.baseline(), paired.baselineInterval()))
        + (", system " + score(paired.system(), paired.interval()))
        + (", p = " + Digits.of(paired.pValue(), 4))
        + (paired.pValue() < SIGNIFICANT ? " (significant)" : " (not significant)")
        + (", better in " + Digits.of(100 * paired.wins(), 1) + " % of " + samples + " resamples");
  }

  private static String score(double value, Bootstrap.Interval interval) {
    return Digits.of(value, 2)
        + (" (" + Digits.of(interval.mean(), 2) + " ± " + Digits.of(interval.halfWidth(), 2) + ")");
  }

  private <S extends MetricScore> String json(Tally<S> tally, Bootstrap.@Nullable Paired paired) {
    S score = tally.score();
    ObjectNode node = JSON.createObjectNode();
    node.put("name", score.name()).put("score", score.value());
    node.put("signature", tally.signature());
    node.put("details", score.details()).put("segments", tally.segments());
    if (paired != null) {
      ObjectNode test = node.putObject("bootstrap");
      test.put("samples", samples).put("seed", seed).put("baseline", paired.baseline());
      test.put("p_value", paired.pValue()).put("wins", paired.wins());
      test.put("mean", paired.interval().mean()).put("ci", paired.interval().halfWidth());
      test.put("baseline_mean", paired.baselineInterval().mean());
      test.put("baseline_ci", paired.baselineInterval().halfWidth());
    }
    return node.toString();
  }

  private List<String> beside(List<String> lines, List<String> others, Path file) {
    if (lines.size() != others.size()) {
      throw new IllegalArgumentException(
          (hypotheses + " has " + lines.size() + " lines and " + file + " has " + others.size())
              + "; line by line they belong together");
    }
    return others;
  }

  private List<String> lines(Path file) throws IOException {
    String text = text(TextFiles.bytes(file), file);
    if (text.isEmpty()) {
      throw new IllegalArgumentException(file + " has no line");
    }
    List<String> out = new ArrayList<>(List.of(text.split("\r?\n", -1)));
    if (out.getLast().isEmpty()) {
      out.removeLast();
    }
    if (newline != null) {
      out.replaceAll(line -> line.replace(newline, "\n"));
    }
    return out;
  }

  private static String text(byte[] bytes, Path file) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    CharBuffer out = CharBuffer.allocate(bytes.length + 1);
    CoderResult result =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT)
            .decode(in, out, true);
    if (result.isError()) {
      int line = 1;
      for (int i = 0; i < in.position(); i++) {
        line += bytes[i] == '\n' ? 1 : 0;
      }
      throw new IllegalArgumentException(file + ", line " + line + ", is not UTF-8");
    }
    return out.flip().toString();
  }
}
